/** The keys that conditions of a bucket's policy may ask about (AWS, "Condition keys for Amazon S3" and "global condition context keys"). Pure. */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** What no request of ours says is absent from it, as AWS has it for a request that does not come that way. */
const KEYS: ReadonlySet<string> = new Set([
  ...words(`
    assumedroot calledvia calledviafirst calledvialast chatbotsourcearn currenttime ec2instancesourceprivateipv4 ec2instancesourcevpc
    epochtime federatedprovider multifactorauthage multifactorauthpresent principalaccount principalarn principalisawsservice
    principalorgid principalorgpaths principalservicename principalservicenameslist principaltype referer requestedregion resourceaccount
    resourceorgid resourceorgpaths securetransport sourceaccount sourcearn sourceidentity sourceip sourceorgid sourceorgpaths sourceowner
    sourcevpc sourcevpcarn sourcevpce tagkeys tokenissuetime useragent userid username viaawsservice vpceaccount vpceorgid vpceorgpaths
    vpcsourceip`).map((name) => `aws:${name}`),
  ...words(`
    accessgrantsinstancearn accesspointnetworkorigin authtype dataaccesspointaccount dataaccesspointarn delimiter destinationregion
    if-match if-none-match inventoryaccessibleoptionalfields isreplicationpauserequest locationconstraint max-keys objectcreationoperation
    object-lock-legal-hold object-lock-mode object-lock-remaining-retention-days object-lock-retain-until-date prefix requestobjecttagkeys
    resourceaccount signatureage signatureversion tlsversion versionid x-amz-acl x-amz-content-sha256 x-amz-copy-source
    x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write x-amz-grant-write-acp x-amz-metadata-directive
    x-amz-object-ownership x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id
    x-amz-server-side-encryption-customer-algorithm x-amz-storage-class x-amz-website-redirect-location`).map(
    (name) => `s3:${name}`,
  ),
]);

/** Before the name of a tag. */
const TAGS =
  /^(?:aws:(?:principaltag|requesttag|resourcetag)|s3:(?:accesspointtag|buckettag|existingobjecttag|requestobjecttag))\/./;

/** Whether it is one. `key` is in lower case; those of other services are left to them. */
export function isConditionKey(key: string): boolean {
  return KEYS.has(key) || TAGS.test(key) || !/^(?:aws:|s3:|[^:]*$)/.test(key);
}
