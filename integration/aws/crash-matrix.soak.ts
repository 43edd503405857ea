import { crashMatrix } from './crash-run.ts'

crashMatrix('SIGKILL', 'lost reply')
