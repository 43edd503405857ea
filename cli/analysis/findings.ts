/** What `roadstead analyze` can find: codes that stay the same from version to version, their level and meaning. */
export type Level = 'error' | 'warning' | 'info'

/** Highest first. */
export const levels: readonly Level[] = ['error', 'warning', 'info']

export const codes = {
  RS1001: { level: 'info', meaning: 'The annotation of another controller has an equivalent here.' },
  RS1002: { level: 'info', meaning: 'The annotation of another controller is not needed: Roadstead does it anyway.' },
  RS1003: { level: 'warning', meaning: 'The annotation of another controller has no equivalent.' },
  RS1004: {
    level: 'warning',
    meaning:
      'The annotation looks like one for AWS load balancers, but neither of the two controllers knows it: probably a misspelling.',
  },
  RS1005: {
    level: 'warning',
    meaning: 'The annotation has an equivalent, but its value cannot be carried over as it is.',
  },
  RS1006: {
    level: 'warning',
    meaning: 'The Service is one of Roadstead: the annotation of another controller has no effect.',
  },
  RS2001: {
    level: 'info',
    meaning:
      'The Service belongs to another controller. Its class cannot be changed: make a second Service with the class of Roadstead beside it, move DNS, delete the old one.',
  },
  RS3001: {
    level: 'error',
    meaning: 'An annotation with the prefix roadstead.dev/ is unknown or malformed: the Service is refused.',
  },
} as const satisfies Record<string, { level: Level; meaning: string }>

export type Code = keyof typeof codes

export interface ServiceName {
  namespace: string
  name: string
  /** Where it was read; absent: from the cluster. */
  file?: string
  line?: number
}

export interface Equivalents {
  annotations?: Readonly<Record<string, string>>
  /** Path in the Service -> value. */
  fields?: Readonly<Record<string, string>>
}

export interface Finding {
  code: Code
  service: ServiceName
  /** What it is about: `key: value`. */
  found: string
  /** Who reads the annotation, when it is another controller's. */
  origin?: string
  /** What a person should know; empty when the equivalent says it all. */
  message: string
  equivalent?: Equivalents
}

export function levelOf({ code }: Finding): Level {
  return codes[code].level
}

/** Whether something as bad as `threshold`, or worse, was found. */
export function reaches(findings: readonly Finding[], threshold: Level): boolean {
  return findings.some((finding) => levels.indexOf(levelOf(finding)) <= levels.indexOf(threshold))
}
