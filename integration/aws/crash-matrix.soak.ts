import { crashMatrix } from './crash-run.ts'

crashMatrix('create', 'policy flip', 'node change', 'delete')
