/** The actions that a bucket's policy may name (AWS, "Actions, resources, and condition keys for Amazon S3"). Pure. */
import { matchesWild } from './wildcard.ts';

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** What can be got and put alike. */
const SETTINGS: readonly string[] = words(`
  accelerateconfiguration accesspointpolicy accountpublicaccessblock analyticsconfiguration bucketabac bucketacl bucketcors bucketlogging
  bucketnotification bucketobjectlockconfiguration bucketownershipcontrols bucketpolicy bucketpublicaccessblock bucketrequestpayment
  buckettagging bucketversioning bucketwebsite encryptionconfiguration intelligenttieringconfiguration inventoryconfiguration jobtagging
  lifecycleconfiguration metricsconfiguration object objectacl objectlegalhold objectretention objecttagging objectversionacl
  objectversiontagging replicationconfiguration storagelensconfiguration`);

const ACTIONS: readonly string[] = [
  ...SETTINGS.flatMap((name) => [`get${name}`, `put${name}`]),
  ...words(`
    abortmultipartupload bypassgovernanceretention createaccesspoint createbucket createbucketmetadatatableconfiguration createjob
    deleteaccesspoint deleteaccesspointpolicy deletebucket deletebucketmetadatatableconfiguration deletebucketpolicy deletebucketwebsite
    deletejobtagging deleteobject deleteobjecttagging deleteobjectversion deleteobjectversiontagging describejob getaccesspoint
    getaccesspointpolicystatus getbucketlocation getbucketmetadatatableconfiguration getbucketpolicystatus getobjectattributes
    getobjecttorrent getobjectversion getobjectversionattributes getobjectversionforreplication getobjectversiontorrent
    initiatereplication listaccesspoints listallmybuckets listbucket listbucketmultipartuploads listbucketversions listjobs
    listmultipartuploadparts listtagsforresource objectowneroverridetobucketowner pausereplication replicatedelete replicateobject
    replicatetags restoreobject tagresource untagresource updatebucketmetadatainventorytableconfiguration
    updatebucketmetadatajournaltableconfiguration updatejobpriority updatejobstatus updateobjectencryption`),
].map((name) => `s3:${name}`);

/** Whether it names one, or a pattern of some. */
export function isAction(text: string): boolean {
  return ACTIONS.some((action) => matchesWild(text.toLowerCase(), action));
}
