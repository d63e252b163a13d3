/** For `node --import`: the app is the folder that the process runs in. */
import { installHooks } from './hooks.ts';

installHooks(process.cwd());
