/** Short outages of each kind. Two minutes of them: outage.soak.ts. */
import { outageTests } from './outage-run.ts'

outageTests(['nobody listens', 'connections are cut', 'every call is answered with 503'], 8)
