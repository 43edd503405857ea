/** The XML of the Query protocols: read, changed, written. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { element, itemsOf, leaf, parseXml, printXml, put, textOf } from './xml.ts'

const document = `<?xml version="1.0" encoding="utf-8"?>
<A xmlns="http://x/">
  <List><member><Id>1</Id><Text>a &lt;b&gt; &amp;amp; c</Text></member><member><Id>2</Id><Empty/></member></List>
</A>`

describe('XML', () => {
  test('is read into elements, with text unescaped where it is asked for', () => {
    const [one, two] = itemsOf(parseXml(document), 'List')
    assert.equal(textOf(one, 'Text'), 'a <b> &amp; c')
    assert.equal(textOf(two, 'Empty'), '')
    assert.equal(textOf(two, 'None'), undefined)
  })

  test('is written as it was, with what was put in', () => {
    const root = parseXml(document)
    const [one] = itemsOf(root, 'List')
    assert.ok(one !== undefined)
    put(one, leaf('Id', 9))
    put(one, element('More', [leaf('Text', '<&>')]))
    assert.equal(
      printXml(root).split('\n')[1],
      '<A xmlns="http://x/"><List><member><Id>9</Id><Text>a &lt;b&gt; &amp;amp; c</Text><More><Text>&lt;&amp;&gt;</Text></More></member><member><Id>2</Id><Empty/></member></List></A>',
    )
  })

  test('what is not XML is refused', () => {
    for (const text of ['', 'plain', '<a><b></a>', '<a>', '<!doctype html>\n<html lang=en>\n<title>500</title>'])
      assert.throws(() => parseXml(text), /not XML/)
  })
})
