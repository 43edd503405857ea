/** The cloud end is stopped for two minutes, once refusing connections and once silent. ROADSTEAD_OUTAGE_SECONDS sets another length. */
import { outageTests } from './outage-run.ts'

outageTests(['nobody listens', 'no call is ever answered'], Number(process.env['ROADSTEAD_OUTAGE_SECONDS'] ?? 120))
