/** Percent-encoding of addresses (RFC 3986). */

/** Everything but RFC 3986's unreserved is encoded; `keepSlash` for paths. */
export function encodeUri(text: string, keepSlash = false): string {
  const encoded = encodeURIComponent(text.isWellFormed() ? text : text.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return keepSlash ? encoded.replaceAll('%2F', '/') : encoded;
}
