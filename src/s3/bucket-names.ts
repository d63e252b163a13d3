/** The rules for names of buckets (AWS, "General purpose bucket naming rules"). Pure. */

/** 3 to 63 of lower-case letters, digits, dots and hyphens; labels that begin and end with a letter or digit; no address. */
export function isBucketName(name: string): boolean {
  return (
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !/\.\.|\.-|-\./.test(name) &&
    !/^\d{1,3}(?:\.\d{1,3}){3}$/.test(name) &&
    !/^(?:xn--|sthree-|amzn-s3-demo-)/.test(name) &&
    !/(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(name)
  );
}
