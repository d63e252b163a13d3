/** npm's registry, for tests of what needs packages that are not Moln's. */

/** How this machine reaches it, as an agent would have it. */
export const REGISTRY_SETTINGS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      /^(?:npm_config_registry|https?_proxy|no_proxy|node_extra_ca_certs)$/i.test(entry[0]),
  ),
);

/** Why packages cannot be had from it, or undefined. */
export async function registryAway(): Promise<string | undefined> {
  try {
    const url = REGISTRY_SETTINGS['npm_config_registry'] ?? 'https://registry.npmjs.org/';
    await fetch(url, { signal: AbortSignal.timeout(10_000) });
    return undefined;
  } catch (error) {
    return `npm's registry does not answer: ${String(error)}`;
  }
}
