/** `moln files website`: a bucket that everybody reads as a website, and the hosts at which the gateways show it. */
import type { RouteDetail } from '../../api/api.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import type { Bucket } from '../files-client.ts';

const NAME_CHARACTERS_MAX = 40;

export const WEBSITE: CommandSpec = {
  name: 'website',
  summary: 'Show a bucket to everybody as a website, at hosts of your own.',
  arguments: [{ name: 'BUCKET', description: 'its name', required: true }],
  options: [
    { flags: '--domain <HOST>', description: 'a host at which it is shown', repeat: true },
    {
      flags: '--index <FILE>',
      description: 'what is shown of a folder (default: index.html)',
    },
    { flags: '--error <KEY>', description: 'the page for what is not there' },
    { flags: '--off', description: 'show it no more' },
  ],
  examples: [
    ['moln files website www --domain www.example.org --error 404.html', ''],
    ['moln files website www', 'what is set, and where it is shown'],
  ],
  run: async (context, input) => {
    const name = input.argument('BUCKET') ?? '';
    const domains = input.texts('domain').map((host) => host.toLowerCase());
    const [index, error] = [input.text('index'), input.text('error')];
    const isChange = domains.length > 0 || index !== undefined || error !== undefined;
    if (input.flag('off')) {
      if (isChange) throw usageError('--off goes with nothing else', 'See --help');
      return await turnOff(context, name);
    }
    const client = context.client();
    let { bucket } = await client.files().list(name, { limit: '1' });
    if (isChange) {
      const known = bucket.settings.website;
      const page = error ?? known?.error;
      const website = {
        index: index ?? known?.index ?? 'index.html',
        ...(page === undefined ? {} : { error: page }),
      };
      // Rules and redirects of S3 clients are not lost by adding a host.
      if (known === undefined || index !== undefined || error !== undefined)
        bucket = await client.files().changeBucket(name, { website });
      if (domains.length > 0) await lead(context, name, domains);
    }
    return await show(context, bucket);
  },
};

/** One route of the bucket has all hosts; what else was written in it stays. */
async function lead(context: Context, bucket: string, domains: readonly string[]): Promise<void> {
  const client = context.client();
  const route = (await routesOf(context, bucket)).find(({ path }) => path === '/');
  const known = route?.hosts ?? [];
  const host = [...new Set([...known, ...domains])];
  if (host.length === known.length) return;
  const written = { ...route?.written, host, bucket };
  const revision = route?.revision ?? 0;
  await client.setRecord('route', route?.name ?? routeName(bucket), { written, revision });
}

/** Routes begin with a letter and have no dots. */
function routeName(bucket: string): string {
  const name = `website-${bucket.replaceAll('.', '-')}`;
  return name.slice(0, NAME_CHARACTERS_MAX).replace(/-+$/, '');
}

async function routesOf(context: Context, bucket: string): Promise<readonly RouteDetail[]> {
  const routes = await context.client().records('route');
  return routes.filter(({ target, leadsTo }) => target === 'bucket' && leadsTo === bucket);
}

async function turnOff(context: Context, name: string): Promise<number> {
  const client = context.client();
  for (const route of await routesOf(context, name)) await client.removeRecord('route', route.name);
  const bucket = await client.files().changeBucket(name, { website: null });
  return await show(context, bucket);
}

async function show(context: Context, { name, settings }: Bucket): Promise<number> {
  const { words } = context;
  const { website, policy } = settings;
  const hosts = (await routesOf(context, name)).flatMap((route) => route.hosts);
  if (context.json) {
    words.json({ bucket: name, website: website ?? null, hosts });
    return EXIT.ok;
  }
  if (website === undefined) {
    const open = policy === undefined ? '' : '; it has a policy that says who reads it';
    words.line(`${name} is no website${open}`);
    return EXIT.ok;
  }
  const error = website.error === undefined ? '' : `, what is not there as ${website.error}`;
  const how =
    website.index === undefined ? 'redirects all requests' : `shows folders as ${website.index}`;
  words.line(`${name} is a website: it ${how}${error}`);
  if (hosts.length === 0) words.note('No host leads to it: give one with --domain HOST');
  else words.line(`At ${hosts.join(', ')}`);
  return EXIT.ok;
}
