/** Certificates as text (RFC 7468). Pure. */

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Rather than the path of a file. */
export function isPem(value: unknown): boolean {
  return typeof value === 'string' && value.includes('-----BEGIN ');
}

/** The certificates of a text alone: a key that is beside them stays where it is. Empty when there is none. */
export function certificatesIn(text: string): string {
  return (text.match(CERTIFICATE) ?? []).map((one) => `${one}\n`).join('');
}
