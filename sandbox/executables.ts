/** Finds programs the way a shell would, also where Debian keeps the administrator's ones. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether an executable of this name is in PATH, /usr/sbin or /sbin. */
export function inPath(command: string, path = process.env['PATH'] ?? ''): boolean {
  return [...path.split(delimiter), '/usr/sbin', '/sbin'].some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
