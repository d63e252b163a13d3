/** An app in Moln's own web framework: `moln deploy` has made one file of it, with all of the framework that it needs. */
import { MolnError } from '../base/errors.ts';
import { buildSteps } from './build-steps.ts';
import type { DetectInput, Found } from './detection.ts';

const BUNDLE = '.moln/build/server.js';
const CONTROLLERS = 'app/controllers';
const VIEWS = 'app/views';

/** Throws `APPS_NOT_BUILT` for one that came another way. */
export function detectMoln(input: DetectInput): Found | undefined {
  const { view } = input;
  if (view.kind(BUNDLE) === 'file') {
    return {
      kind: 'node',
      explanation: "App in Moln's web framework",
      build: buildSteps(input),
      processes: {
        web: {
          command: ['{node}', '--enable-source-maps', BUNDLE],
          env: { NODE_ENV: 'production' },
          kind: 'http',
        },
      },
    };
  }
  const isSource = view.kind(CONTROLLERS) === 'folder' && view.kind(VIEWS) === 'folder';
  if (!isSource || view.readText('package.json')?.includes('"start"') === true) return undefined;
  throw new MolnError(
    'APPS_NOT_BUILT',
    "This is an app in Moln's web framework that was not built",
    {
      hint: 'Send it with "moln deploy", which builds it',
    },
  );
}
