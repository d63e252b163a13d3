/** How finished requests are logged; see `access-log.ts`. */
export type AccessLogFormat = 'json' | 'combined' | 'off';

export const ACCESS_LOG_FORMATS: readonly AccessLogFormat[] = ['json', 'combined', 'off'];
