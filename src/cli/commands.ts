/** All commands. A node's own process loads two of them only, see `cli.ts`. */
import type { CommandSpec } from './command.ts';
import { APP, SCALE_APP } from './commands/app.ts';
import { AUTHORITY } from './commands/authority.ts';
import { CACHE } from './commands/cache.ts';
import { ADDRESS } from './commands/address.ts';
import { CERTIFICATE } from './commands/certificate.ts';
import { EVENTS, MANAGER, REGIONS, WHY } from './commands/cluster.ts';
import { CONSOLE } from './commands/console.ts';
import { DB } from './commands/db.ts';
import { DEPLOY } from './commands/deploy.ts';
import { DOCTOR } from './commands/doctor.ts';
import { DOWN } from './commands/down.ts';
import { GATEWAY } from './commands/gateway.ts';
import { INVITE } from './commands/invite.ts';
import { JOIN } from './commands/join.ts';
import { LISTENER } from './commands/listener.ts';
import { NODE, NODES } from './commands/node.ts';
import { ROUTE } from './commands/route.ts';
import { APPS, STATUS } from './commands/status.ts';
import { TOKEN } from './commands/token.ts';
import { UP } from './commands/up.ts';
import { FILES } from './commands/files.ts';
import { MOUNT, UNMOUNT } from './commands/mount.ts';
import { RECOVER } from './commands/recover.ts';
import { STORAGE } from './commands/storage.ts';
import { VERSION } from './commands/version.ts';
import { DEV, GENERATE, MIGRATE, NEW, REPL, ROUTES, TEST } from './commands/web-app.ts';

/** All commands, in the order of the help page. */
export const COMMANDS: readonly CommandSpec[] = [
  UP,
  INVITE,
  JOIN,
  DEPLOY,
  SCALE_APP,
  NEW,
  GENERATE,
  DEV,
  TEST,
  MIGRATE,
  ROUTES,
  REPL,
  STATUS,
  APPS,
  APP,
  NODES,
  NODE,
  REGIONS,
  MANAGER,
  AUTHORITY,
  CERTIFICATE,
  EVENTS,
  WHY,
  DB,
  FILES,
  STORAGE,
  MOUNT,
  UNMOUNT,
  RECOVER,
  ROUTE,
  LISTENER,
  ADDRESS,
  CACHE,
  GATEWAY,
  CONSOLE,
  TOKEN,
  DOCTOR,
  DOWN,
  VERSION,
];
