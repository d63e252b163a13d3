/** Puts together what the files of an app export, whether they were loaded one by one or are in one bundle. */
import { MolnError } from '../base/errors.ts';
import type { AppParts } from './app.ts';
import { Job } from './jobs.ts';
import { REMOVE_FILES } from './kept-files.ts';
import { DELIVER_MAIL } from './mail.ts';
import { type Migration, readMigration } from './migrate.ts';
import { Model } from './model.ts';
import { Policy } from './policy.ts';
import type { Controller } from './routes.ts';

/** Jobs that every app has. */
const OWN: readonly Job[] = [DELIVER_MAIL, REMOVE_FILES].map((each) => each as unknown as Job);

type Module = Readonly<Record<string, unknown>>;

export interface AppModules {
  /** By their paths below `app/controllers`, `app/models`, `app/policies` and `app/jobs`, without extension. */
  readonly controllers: Readonly<Record<string, Module>>;
  readonly models: Readonly<Record<string, Module>>;
  readonly policies: Readonly<Record<string, Module>>;
  readonly jobs: Readonly<Record<string, Module>>;
  /** Texts by the files' names without `.sql`. */
  readonly migrations: Readonly<Record<string, string>>;
  /** Below `app/islands`. */
  readonly islands: Readonly<Record<string, Module>>;
  readonly islandScript: string;
  readonly publicFolder: string;
}

/** Throws `WEB_NO_CONTROLLER`, `WEB_NO_POLICY`, `WEB_MODEL_TWICE`, `WEB_POLICY_TWICE` or `WEB_JOB_TWICE`, which name the file. */
export function collectParts({
  controllers,
  models,
  policies,
  jobs,
  migrations,
  islands,
  islandScript,
  publicFolder,
}: AppModules): AppParts {
  return {
    controllers: Object.fromEntries(
      Object.entries(controllers).map(([name, module]) => [name, controllerOf(name, module)]),
    ),
    models: modelsOf(models),
    policies: policiesOf(policies),
    jobs: jobsOf(jobs),
    migrations: Object.entries(migrations)
      .map(([name, text]): Migration => readMigration(name, text))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    islands: new Map(
      Object.entries(islands).flatMap(([file, module]) =>
        Object.entries(module).map(([name, component]) => [component, `${file}#${name}`]),
      ),
    ),
    islandScript,
    publicFolder,
  };
}

function controllerOf(name: string, module: Module): Controller {
  const objects = Object.values(module).filter((each) => typeof each === 'object' && each !== null);
  const [only] = objects;
  if (only !== undefined && objects.length === 1) return only as Controller;
  throw new MolnError(
    'WEB_NO_CONTROLLER',
    `app/controllers/${name} exports ${objects.length} objects, want one controller`,
    {
      hint: 'Write it as "export const posts = controller({ index() { … } });"',
    },
  );
}

function jobsOf(jobs: AppModules['jobs']): readonly Job[] {
  const byName = new Map<string, Job>(OWN.map((each) => [each.name, each]));
  for (const [file, module] of Object.entries(jobs)) {
    for (const one of Object.values(module)) {
      if (!(one instanceof Job)) continue;
      if (byName.has(one.name)) {
        throw new MolnError(
          'WEB_JOB_TWICE',
          `Job "${one.name}" of app/jobs/${file} is another file's already`,
          {
            hint: 'Give one of them another name',
          },
        );
      }
      byName.set(one.name, one as Job);
    }
  }
  return [...byName.values()];
}

function policiesOf(policies: AppModules['policies']): readonly Policy[] {
  const byModel = new Map<Model, Policy>();
  for (const [file, module] of Object.entries(policies)) {
    const found = Object.values(module).filter((each) => each instanceof Policy);
    if (found.length === 0) {
      // Else its rows would be for everybody, and nobody would hear of it.
      throw new MolnError('WEB_NO_POLICY', `app/policies/${file} exports no policy`, {
        hint: 'Write it as "export const postPolicy = policy(Post, { … });"; what policies share lies elsewhere in app',
      });
    }
    for (const one of found) {
      if (byModel.has(one.model)) {
        throw new MolnError(
          'WEB_POLICY_TWICE',
          `app/policies/${file} is about "${one.model.name}", which has a policy already`,
          { hint: 'Put all rules of a model into one policy' },
        );
      }
      byModel.set(one.model, one);
    }
  }
  return [...byModel.values()];
}

function modelsOf(models: AppModules['models']): readonly Model[] {
  const byTable = new Map<string, Model>();
  for (const [name, module] of Object.entries(models)) {
    for (const one of Object.values(module)) {
      if (!(one instanceof Model)) continue;
      if (byTable.has(one.table) && byTable.get(one.table) !== one) {
        throw new MolnError(
          'WEB_MODEL_TWICE',
          `Table "${one.table}" of app/models/${name} is another model's already`,
          {
            hint: 'Give one of them another name, or a table of its own',
          },
        );
      }
      byTable.set(one.table, one);
    }
  }
  return [...byTable.values()];
}
