/**
 * What the node's virtual servers, marks and bound addresses should be, kept up to date change by change: only frontends that a change
 * touches are worked out again. Pure; writer.ts carries it out.
 */
import { type Change, type ElementId, type ElementSet, partsOf } from '../rules/elements.ts'
import { type Extras, type ExtrasChange, noExtras, type Recorded, serverMarks } from './table.ts'
import { addressName, type Frontend, markName, serversOf, type VirtualServer } from './virtual-servers.ts'

export interface PlanOptions {
  scheduler: string
  /** Addresses, as `<family> <text>`, that the node has on other interfaces: those are not bound again. */
  own: () => ReadonlySet<string>
}

export interface Steps {
  /** Name to the server as it should be; undefined: it should not be there. */
  servers: Map<string, VirtualServer | undefined>
  extras: ExtrasChange
}

export interface NodePlan {
  readonly elements: ElementSet
  readonly servers: ReadonlyMap<string, VirtualServer>
  readonly extras: Extras
  /** Takes the change in and says what it means. */
  follow(change: Change): Steps
}

export function nodePlan(options: PlanOptions, { elements: present, extras }: Recorded): NodePlan {
  const elements = new Map<ElementId, string>()
  const servers = new Map<string, VirtualServer>()
  /** Of frontends that are gone, as long as nobody else wants the number. */
  const earlier = new Map(extras.marks)
  const marks = new Map<string, number>()
  const taken = new Set(extras.marks.values())
  const bound = new Set<string>()
  /** How many elements want an address answered. */
  const uses = new Map<string, number>()
  let next = 1

  const newMark = (): number => {
    for (let tried = 0; tried < serverMarks.most; tried++) {
      const mark = serverMarks.base + next
      next = (next % serverMarks.most) + 1
      if (!taken.has(mark)) {
        taken.add(mark)
        return mark
      }
    }
    throw new RangeError(`more than ${serverMarks.most} frontends with external policy Local`)
  }

  const settle = (frontend: Frontend, steps: Steps) => {
    const name = `${frontend.family} ${frontend.key}`
    const marked = marks.has(name) || earlier.has(name)
    const { byAddress, byMark } = serversOf(elements, frontend, options.scheduler, marked)
    const put = (server: string, wanted: Omit<VirtualServer, 'name'> | undefined) => {
      if (wanted === undefined) servers.delete(server)
      else servers.set(server, { name: server, ...wanted })
      steps.servers.set(server, servers.get(server))
    }
    put(addressName(frontend), byAddress)
    let mark = marks.get(name)
    if (byMark !== undefined && mark === undefined) {
      mark = earlier.get(name) ?? newMark()
      marks.set(name, mark)
      ;(steps.extras.add.marks as Map<string, number>).set(name, mark)
    }
    if (mark === undefined) return
    put(markName(frontend.family, mark), byMark)
    if (byMark !== undefined) return
    marks.delete(name)
    taken.delete(mark)
    ;(steps.extras.remove.marks as Map<string, number>).set(name, mark)
  }

  const settleAddress = (name: string, own: ReadonlySet<string>, steps: Steps) => {
    const wanted = (uses.get(name) ?? 0) > 0 && (bound.has(name) || !own.has(name))
    if (wanted === bound.has(name)) return
    if (wanted) bound.add(name)
    else bound.delete(name)
    ;(steps.extras[wanted ? 'add' : 'remove'].bound as Set<string>).add(name)
  }

  const follow = ({ remove, add }: Change): Steps => {
    const steps = noSteps()
    const frontends = new Map<string, Frontend>()
    const addresses = new Set<string>()
    const sessions = new Set<string>()
    const touch = (id: ElementId, isAdded: boolean) => {
      const { family, map, key } = partsOf(id)
      if (map === 'learn') sessions.add(`${family} ${key}`)
      const key3 = map === 'ep' || map === 'ep-local' ? key.slice(0, key.lastIndexOf(' . ')) : key
      if (deciding.has(map)) frontends.set(`${family} ${key3}`, { family, key: key3 })
      if (map !== 'frontends' && map !== 'cluster-ips') return
      const address = `${family} ${key.split(' . ')[0]}`
      uses.set(address, (uses.get(address) ?? 0) + (isAdded ? 1 : -1))
      addresses.add(address)
    }
    for (const id of remove.keys()) {
      elements.delete(id)
      touch(id, false)
    }
    for (const [id, value] of add) {
      elements.set(id, value)
      touch(id, true)
    }
    if (sessions.size > 0) {
      for (const [id, session] of elements) {
        const { family, map, key } = partsOf(id)
        if (map === 'session' && sessions.has(`${family} ${session}`))
          frontends.set(`${family} ${key}`, { family, key })
      }
    }
    for (const frontend of frontends.values()) settle(frontend, steps)
    if (addresses.size > 0) {
      const own = options.own()
      for (const address of addresses) settleAddress(address, own, steps)
    }
    return steps
  }

  follow({ remove: new Map(), add: present })
  for (const mark of earlier.values()) if (![...marks.values()].includes(mark)) taken.delete(mark)
  earlier.clear()
  return { elements, servers, extras: { marks, bound }, follow }
}

const deciding: ReadonlySet<string> = new Set(['frontends', 'no-ep', 'svc', 'ep', 'svc-local', 'ep-local', 'session'])

function noSteps(): Steps {
  const empty = (): Extras => ({ marks: new Map(), bound: new Set() })
  return { servers: new Map(), extras: { add: empty(), remove: empty() } }
}

/** The plan for these elements that keeps the marks of another. */
export function replannedFor(elements: ElementSet, before: NodePlan | undefined, options: PlanOptions): NodePlan {
  const marks = before?.extras.marks ?? noExtras.marks
  return nodePlan(options, { elements: new Map(elements), extras: { marks, bound: new Set() } })
}
