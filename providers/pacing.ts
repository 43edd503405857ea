/**
 * A budget of calls, as a provider sees it: it takes a token before each call and tells when the cloud found it too much. The operator makes
 * the buckets, on its clock; a provider that has several kinds of calls asks for one each.
 */
export interface Bucket {
  /** Resolves when a call may be made, or when the signal aborts. First come, first served. */
  take(signal: AbortSignal): Promise<void>
  /** The cloud said that it was too much. */
  throttled(retryAfterSeconds: number | undefined): void
}

export interface Pace {
  /** Calls a second on average. */
  perSecond: number
  /** Calls at once. */
  burst: number
}

/** No budget at all. */
export const unpaced = (): Bucket => ({ take: () => Promise.resolve(), throttled: () => undefined })
