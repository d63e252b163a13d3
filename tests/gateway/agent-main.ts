/**
 * Stands for an agent that a test may kill: `node agent-main.ts RUN_FOLDER LOG_FOLDER CONFIG_JSON`. Starts two gateway
 * workers, applies the config, prints `ready` and stays.
 */
import { silentLogger } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/time.ts';
import { GatewaySupervisor, type GatewayConfigContent } from '../../src/gateway/gateway.ts';

const [runFolder = '', logFolder = '', config = ''] = process.argv.slice(2);
const supervisor = new GatewaySupervisor({
  runFolder,
  logFolder,
  workers: 2,
  clock: systemClock,
  log: silentLogger,
});
await supervisor.start();
await supervisor.apply(JSON.parse(config) as GatewayConfigContent);
process.stdout.write('ready\n');
await systemClock.sleep(10 * 60_000);
