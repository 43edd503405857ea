import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silent } from '../kube/log.ts'
import { warnOfKubeProxyRules } from './kube-proxy-rules.ts'

describe('rules that kube-proxy has left', () => {
  const warningsOf = async (find: () => Promise<string[]>) => {
    const warnings: unknown[][] = []
    await warnOfKubeProxyRules({ ...silent, warn: (...said) => void warnings.push(said) }, find)
    return warnings
  }

  test('are named in one line that says what to do', async () => {
    const found = ['nft table ip kube-proxy', 'interface kube-ipvs0']
    const [[fields, text] = [], ...others] = await warningsOf(() => Promise.resolve(found))
    assert.deepEqual([fields, others], [{ found }, []])
    assert.match(String(text), /kube-proxy --cleanup/)
  })

  test('are not spoken of when there are none, or nobody can tell', async () => {
    assert.deepEqual(await warningsOf(() => Promise.resolve([])), [])
    assert.deepEqual(await warningsOf(() => Promise.reject(new Error('no'))), [])
  })
})
