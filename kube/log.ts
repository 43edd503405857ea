/** The logging port. pino stands behind it in main.ts files; tests pass `silent` or collect. */
export interface Log {
  debug(fields: Record<string, unknown>, message: string): void
  info(fields: Record<string, unknown>, message: string): void
  warn(fields: Record<string, unknown>, message: string): void
  error(fields: Record<string, unknown>, message: string): void
}

const nothing = () => {}
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
