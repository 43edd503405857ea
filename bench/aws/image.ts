/** The operator as the image starts it: with the code that was compiled when the image was built (Containerfile). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { imageNodeFlags } from '../../integration/aws/operator.ts'

/** A folder with the compiled code; it goes with the process. */
export async function imageCompileCache(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rs-code-'))
  process.once('beforeExit', () => void rm(folder, { recursive: true, force: true }))
  for (const [file, ...args] of [['compile-main.ts'], ['main.ts', '--help']]) {
    const main = new URL(`../../cli/${file}`, import.meta.url).pathname
    const child = spawn(process.execPath, [...imageNodeFlags, main, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', NODE_COMPILE_CACHE: folder },
    })
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`cli/${file} ended with code ${String(code)}`)
  }
  return folder
}
