import { crashMatrix } from './crash-run.ts'

crashMatrix('port edit', 'scheme change')
