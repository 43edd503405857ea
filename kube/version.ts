/** The version that commands, logs and metrics show; the same as in package.json. */
export const version = '0.1.0'
