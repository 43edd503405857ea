/** Resident memory as the kernel counts it for this process. */
export function residentBytes(): number {
  return process.memoryUsage.rss()
}

export function mebibytes(bytes: number): number {
  return Math.round((bytes / 1024 / 1024) * 10) / 10
}
