#!/usr/bin/env python3
"""Checks of an S3 face with boto3, a client that is not ours. Arguments: address, then three keys as ID:SECRET:OWNER, then what to run only.

Prints one line for each check that fails and a line of sums; exits with 1 when one failed."""
import base64
import datetime
import email.utils
import hashlib
import hmac
import http.client
import json
import socket
import sys
import time
import traceback
import urllib.parse
import urllib.request
import zlib

import boto3
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ADDRESS, KEYS, ONLY = sys.argv[1], [one.split(':') for one in sys.argv[2:5]], sys.argv[5:]


def client(key, **config):
    config.setdefault('retries', {'max_attempts': 0})
    config.setdefault('s3', {'addressing_style': 'path'})
    signature = config.pop('signature_version', 's3v4')
    return boto3.client('s3', endpoint_url=ADDRESS, region_name='us-east-1', aws_access_key_id=key[0],
                        aws_secret_access_key=key[1], config=Config(signature_version=signature, **config))


main, alt = client(KEYS[0]), client(KEYS[1])
nobody = boto3.client('s3', endpoint_url=ADDRESS, region_name='us-east-1',
                      config=Config(signature_version=UNSIGNED, s3={'addressing_style': 'path'}, retries={'max_attempts': 0}))
MAIN, ALT = KEYS[0][2], KEYS[1][2]
counter = 0
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def bucket(by=main, versioned=False, **options):
    global counter
    counter += 1
    name = f'checks-{int(time.time() * 1000)}-{counter}'
    by.create_bucket(Bucket=name, **options)
    if versioned:
        by.put_bucket_versioning(Bucket=name, VersioningConfiguration={'Status': 'Enabled'})
    return name


def refused(code, status, call, *args, **options):
    try:
        call(*args, **options)
    except ClientError as error:
        got = (error.response['Error']['Code'], error.response['ResponseMetadata']['HTTPStatusCode'])
        wanted = (code, status)
        if code is None:
            got, wanted = got[1], status
        assert got == wanted, f'got {got}, want {wanted}'
        return error.response
    raise AssertionError(f'not refused, want {code}')


def put(name, *keys, by=main):
    for key in keys:
        by.put_object(Bucket=name, Key=key, Body=key.encode())


def keys(answer):
    return [one['Key'] for one in answer.get('Contents', [])]


def prefixes(answer):
    return [one['Prefix'] for one in answer.get('CommonPrefixes', [])]


def signed(method, path, headers=None, body=b''):
    """What no method of every boto3 sends: signed by the first key; status and body of the answer."""
    request = AWSRequest(method=method, url=ADDRESS + path, data=body, headers=headers or {})
    S3SigV4Auth(Credentials(*KEYS[0][:2]), 's3', 'us-east-1').add_auth(request)
    prepared = request.prepare()
    status, _, text = raw(method, path, dict(prepared.headers.items()), prepared.body)
    return status, text


def raw(method, path, headers=None, body=None, host=None):
    url = urllib.parse.urlparse(ADDRESS)
    connection = http.client.HTTPConnection(url.hostname, url.port)
    connection.request(method, path, body=body, headers={**({'Host': host} if host else {}), **(headers or {})})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


# --- buckets

@check
def buckets_life():
    name = bucket()
    assert name in [one['Name'] for one in main.list_buckets()['Buckets']]
    assert name not in [one['Name'] for one in alt.list_buckets()['Buckets']]
    main.head_bucket(Bucket=name)
    main.put_bucket_acl(Bucket=name, ACL='public-read')
    main.create_bucket(Bucket=name)
    assert len(main.get_bucket_acl(Bucket=name)['Grants']) == 1
    refused('BucketAlreadyOwnedByYou', 409, main.create_bucket, Bucket=name, CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
    main.head_bucket(Bucket=name, ExpectedBucketOwner=MAIN)
    refused('AccessDenied', 403, main.list_objects, Bucket=name, ExpectedBucketOwner=ALT)
    refused('BucketAlreadyExists', 409, alt.create_bucket, Bucket=name)
    put(name, 'x')
    refused('BucketNotEmpty', 409, main.delete_bucket, Bucket=name)
    main.delete_object(Bucket=name, Key='x')
    main.delete_bucket(Bucket=name)
    refused('NoSuchBucket', 404, main.delete_bucket, Bucket=name)
    refused('404', 404, main.head_bucket, Bucket=name)
    refused('NoSuchBucket', 404, main.list_objects, Bucket=name)
    refused('NoSuchBucket', 404, main.put_object, Bucket=name, Key='x', Body=b'')
    refused(None, 403, nobody.list_buckets)


@check
def bucket_names():
    for bad in ['ab', 'a' * 64, 'Upper', 'under_score', 'end-', '-start', 'two..dots', 'dot.-dash', '192.168.1.1', 'xn--bad']:
        status, _, text = raw('PUT', f'/{bad}')
        assert status in (400, 403), (bad, status)
    for good in ['abc', 'a' * 63, 'with.dots', '1numbers2', 'da-sh']:
        name = f'{good}{int(time.time())}'[-63:].strip('.-')
        main.create_bucket(Bucket=name)
        main.delete_bucket(Bucket=name)


@check
def location():
    name = bucket(CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
    assert main.get_bucket_location(Bucket=name)['LocationConstraint'] == 'eu-west-1'
    assert main.get_bucket_location(Bucket=bucket())['LocationConstraint'] is None


# --- listings

@check
def list_v1():
    name = bucket()
    put(name, 'asdf', 'boo/bar', 'boo/baz/xyzzy', 'cquux/thud', 'cquux/bla')
    page = main.list_objects(Bucket=name, Delimiter='/', MaxKeys=1)
    assert (keys(page), prefixes(page), page['IsTruncated'], page['NextMarker']) == (['asdf'], [], True, 'asdf'), page
    page = main.list_objects(Bucket=name, Delimiter='/', MaxKeys=1, Marker='asdf')
    assert (prefixes(page), page['NextMarker']) == (['boo/'], 'boo/'), page
    page = main.list_objects(Bucket=name, Delimiter='/', MaxKeys=1, Marker='boo/')
    assert (prefixes(page), page['IsTruncated']) == (['cquux/'], False), page
    assert 'NextMarker' not in page
    page = main.list_objects(Bucket=name, Delimiter='/', Prefix='boo/')
    assert (keys(page), prefixes(page)) == (['boo/bar'], ['boo/baz/'])
    assert main.list_objects(Bucket=name, MaxKeys=0)['IsTruncated'] is False
    assert 'Delimiter' not in main.list_objects(Bucket=name, Delimiter='')
    page = main.list_objects(Bucket=name, Delimiter='a')
    assert (keys(page), prefixes(page)) == (['cquux/thud'], ['a', 'boo/ba', 'cquux/bla'])
    assert keys(main.list_objects(Bucket=name, Marker='zzz')) == []
    assert main.list_objects(Bucket=name)['Contents'][0]['Owner']['ID'] == MAIN
    assert main.list_objects(Bucket=name, MaxKeys=2)['MaxKeys'] == 2
    status, _, text = raw('GET', f'/{name}?max-keys=blah')
    assert status in (400, 403)
    refused('InvalidArgument', 400, main.list_objects, Bucket=name, EncodingType='bad')


@check
def list_v2():
    name = bucket()
    put(name, 'bar', 'baz', 'foo', 'quxx')
    page = main.list_objects_v2(Bucket=name, MaxKeys=1)
    assert (keys(page), page['KeyCount'], page['IsTruncated']) == (['bar'], 1, True)
    rest = main.list_objects_v2(Bucket=name, ContinuationToken=page['NextContinuationToken'])
    assert (keys(rest), rest['ContinuationToken']) == (['baz', 'foo', 'quxx'], page['NextContinuationToken'])
    page = main.list_objects_v2(Bucket=name, StartAfter='baz')
    assert (keys(page), page['StartAfter']) == (['foo', 'quxx'], 'baz')
    assert 'Owner' not in page['Contents'][0]
    assert main.list_objects_v2(Bucket=name, FetchOwner=True)['Contents'][0]['Owner']['ID'] == MAIN
    assert len(main.list_objects_v2(Bucket=name, ContinuationToken='')['Contents']) == len(main.list_objects_v2(Bucket=name)['Contents'])
    seen = []
    for page in main.get_paginator('list_objects_v2').paginate(Bucket=name, PaginationConfig={'PageSize': 1}):
        seen += keys(page)
    assert seen == ['bar', 'baz', 'foo', 'quxx']


@check
def odd_keys():
    name = bucket()
    odd = ['a b', 'a+b', 'a%20b', 'ä/ö', 'x\u0008y', '\u0001', 'tab\tin', 'new\nline', '"q"', "'q'", '<x>&', '/lead', 'double//slash', '../up', '.', '..',
           'trail/', '\U0001f600', '\uffff'.replace('\uffff', '\ufffd'), '~!@#$^&*()_-=[]{}|;:,.<>?`', '%', 'ümlaut?versionId=1', 'ends ', ' starts', 'k' * 1024]
    put(name, *odd)
    assert keys(main.list_objects(Bucket=name)) == sorted(odd, key=lambda one: one.encode()), keys(main.list_objects(Bucket=name))
    assert keys(main.list_objects_v2(Bucket=name)) == sorted(odd, key=lambda one: one.encode())
    for key in odd:
        assert main.get_object(Bucket=name, Key=key)['Body'].read() == key.encode(), key
        main.copy_object(Bucket=name, Key='copy', CopySource={'Bucket': name, 'Key': key})
        assert main.get_object(Bucket=name, Key='copy')['Body'].read() == key.encode(), key
    refused('KeyTooLongError', 400, main.put_object, Bucket=name, Key='k' * 1025, Body=b'')
    gone = main.delete_objects(Bucket=name, Delete={'Objects': [{'Key': key} for key in odd if not any(c in key for c in '\u0001\u0008')]})
    assert 'Errors' not in gone, gone['Errors']
    for key in odd:
        main.delete_object(Bucket=name, Key=key)
    assert keys(main.list_objects(Bucket=name)) == ['copy']


@check
def encoded_listing():
    name = bucket()
    put(name, 'asdf+b', 'foo+1/bar', 'foo/bar/xyzzy', 'quux ab/thud')
    signed = main.generate_presigned_url('list_objects', Params={'Bucket': name, 'Delimiter': '/', 'EncodingType': 'url'})
    text = urllib.request.urlopen(signed).read().decode()
    for wanted in ['<Key>asdf%2Bb</Key>', '<Prefix>foo%2B1/</Prefix>', '<Prefix>foo/</Prefix>', '<Prefix>quux%20ab/</Prefix>']:
        assert wanted in text, (wanted, text)


# --- objects

@check
def put_get_head():
    name = bucket()
    answer = main.put_object(Bucket=name, Key='k', Body=b'hello', ContentType='text/plain', CacheControl='no-cache', ContentDisposition='inline',
                             ContentLanguage='de', ContentEncoding='gzip', Metadata={'One': 'x', 'uni': 'y'})
    etag = f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert answer['ETag'] == etag
    got = main.get_object(Bucket=name, Key='k')
    assert got['Body'].read() == b'hello' and got['ETag'] == etag and got['ContentLength'] == 5
    assert (got['ContentType'], got['CacheControl'], got['ContentDisposition'], got['ContentLanguage'], got['ContentEncoding']) == ('text/plain', 'no-cache', 'inline', 'de', 'gzip')
    assert got['Metadata'] == {'one': 'x', 'uni': 'y'} and got['AcceptRanges'] == 'bytes', got
    head = main.head_object(Bucket=name, Key='k')
    assert head['ContentLength'] == 5 and head['ETag'] == etag and head['LastModified'] == got['LastModified']
    assert 'VersionId' not in head
    refused('NoSuchKey', 404, main.get_object, Bucket=name, Key='none')
    refused('404', 404, main.head_object, Bucket=name, Key='none')
    main.put_object(Bucket=name, Key='empty', Body=b'')
    got = main.get_object(Bucket=name, Key='empty')
    assert got['Body'].read() == b'' and got['ContentLength'] == 0 and got['ContentType'] == 'binary/octet-stream'
    got = main.get_object(Bucket=name, Key='k', ResponseContentType='foo/bar', ResponseCacheControl='x', ResponseContentDisposition='bla',
                          ResponseContentEncoding='aaa', ResponseContentLanguage='esperanto')
    assert (got['ContentType'], got['CacheControl'], got['ContentDisposition'], got['ContentEncoding'], got['ContentLanguage']) == ('foo/bar', 'x', 'bla', 'aaa', 'esperanto')
    main.delete_object(Bucket=name, Key='k')
    main.delete_object(Bucket=name, Key='k')
    refused('MetadataTooLarge', 400, main.put_object, Bucket=name, Key='m', Body=b'', Metadata={'a': 'x' * 3000})


@check
def md5_and_lengths():
    name = bucket()
    refused('InvalidDigest', 400, main.put_object, Bucket=name, Key='k', Body=b'x', ContentMD5='YWJyYWNhZGFicmE=')
    refused('BadDigest', 400, main.put_object, Bucket=name, Key='k', Body=b'x', ContentMD5='rL0Y20zC+Fzt72VPzMSk2A==')
    refused('NoSuchKey', 404, main.get_object, Bucket=name, Key='k')
    main.put_bucket_acl(Bucket=name, ACL='public-read-write')
    status, _, text = raw('PUT', f'/{name}/k', {'Transfer-Encoding': 'chunked'}, iter([b'abc']))
    assert status == 411 and b'MissingContentLength' in text, (status, text)


@check
def ranges():
    name = bucket()
    main.put_object(Bucket=name, Key='k', Body=b'testcontent')
    for asked, wanted, field in [('bytes=4-7', b'cont', 'bytes 4-7/11'), ('bytes=4-', b'content', 'bytes 4-10/11'), ('bytes=-7', b'content', 'bytes 4-10/11'),
                                 ('bytes=0-100', b'testcontent', 'bytes 0-10/11'), ('bytes=-100', b'testcontent', 'bytes 0-10/11')]:
        got = main.get_object(Bucket=name, Key='k', Range=asked)
        assert (got['Body'].read(), got['ContentRange'], got['ResponseMetadata']['HTTPStatusCode']) == (wanted, field, 206), asked
    assert main.head_object(Bucket=name, Key='k', Range='bytes=0-0')['ContentLength'] == 1
    refused('InvalidRange', 416, main.get_object, Bucket=name, Key='k', Range='bytes=40-50')
    main.put_object(Bucket=name, Key='e', Body=b'')
    refused('InvalidRange', 416, main.get_object, Bucket=name, Key='e', Range='bytes=40-50')
    big = bytes(range(256)) * 4096 * 9
    main.put_object(Bucket=name, Key='big', Body=big)
    for start, end in [(0, 0), (65535, 65536), (8 * 2**20 - 1, 8 * 2**20 + 5), (len(big) - 5, len(big) - 1)]:
        assert main.get_object(Bucket=name, Key='big', Range=f'bytes={start}-{end}')['Body'].read() == big[start:end + 1]


@check
def conditions():
    name = bucket()
    etag = main.put_object(Bucket=name, Key='k', Body=b'bar')['ETag']
    past = datetime.datetime(1994, 10, 29, 19, 43, 31)
    future = datetime.datetime(2100, 10, 29, 19, 43, 31)
    assert main.get_object(Bucket=name, Key='k', IfMatch=etag)['Body'].read() == b'bar'
    refused('PreconditionFailed', 412, main.get_object, Bucket=name, Key='k', IfMatch='"ABCORZ"')
    refused('304', 304, main.get_object, Bucket=name, Key='k', IfNoneMatch=etag)
    assert main.get_object(Bucket=name, Key='k', IfNoneMatch='ABCORZ')['Body'].read() == b'bar'
    assert main.get_object(Bucket=name, Key='k', IfModifiedSince=past)['Body'].read() == b'bar'
    refused('304', 304, main.get_object, Bucket=name, Key='k', IfModifiedSince=future)
    refused('PreconditionFailed', 412, main.get_object, Bucket=name, Key='k', IfUnmodifiedSince=past)
    assert main.get_object(Bucket=name, Key='k', IfUnmodifiedSince=future)['Body'].read() == b'bar'
    refused('412', 412, main.head_object, Bucket=name, Key='k', IfMatch='"no"')


def with_field(by, event, field, value):
    def add(request, **_):
        del request.headers[field]
        request.headers[field] = value
    by.meta.events.register(f'before-sign.s3.{event}', add)
    return lambda: by.meta.events.unregister(f'before-sign.s3.{event}', add)


@check
def conditional_writes():
    name = bucket()
    by = client(KEYS[0])
    undo = with_field(by, 'PutObject', 'If-None-Match', '*')
    by.put_object(Bucket=name, Key='k', Body=b'one')
    refused('PreconditionFailed', 412, by.put_object, Bucket=name, Key='k', Body=b'two')
    undo()
    etag = main.head_object(Bucket=name, Key='k')['ETag']
    undo = with_field(by, 'PutObject', 'If-Match', etag)
    by.put_object(Bucket=name, Key='k', Body=b'three')
    refused('PreconditionFailed', 412, by.put_object, Bucket=name, Key='k', Body=b'four')
    refused('NoSuchKey', 404, by.put_object, Bucket=name, Key='none', Body=b'four')
    undo()
    assert main.get_object(Bucket=name, Key='k')['Body'].read() == b'three'


@check
def conditional_deletes():
    for name in [bucket(), bucket(versioned=True)]:
        by = client(KEYS[0])
        etag = main.put_object(Bucket=name, Key='k', Body=b'')['ETag']
        for field, bad, good in [('If-Match', '"bad"', etag), ('x-amz-if-match-size', '9', '0'),
                                 ('x-amz-if-match-last-modified-time', 'Thu, 01 Jan 2015 00:00:00 GMT', None)]:
            undo = with_field(by, 'DeleteObject', field, bad)
            refused('PreconditionFailed', 412, by.delete_object, Bucket=name, Key='k')
            by.delete_object(Bucket=name, Key='never')
            undo()
            undo = with_field(by, 'DeleteObject', field, good or email.utils.formatdate(main.head_object(Bucket=name, Key='k')['LastModified'].timestamp(), usegmt=True))
            marker = by.delete_object(Bucket=name, Key='k').get('DeleteMarker')
            undo()
            undo = with_field(by, 'DeleteObject', field, bad)
            if marker:
                refused('PreconditionFailed', 412, by.delete_object, Bucket=name, Key='k')
            else:
                by.delete_object(Bucket=name, Key='k')
            undo()
            main.put_object(Bucket=name, Key='k', Body=b'')


@check
def copies():
    name, other = bucket(), bucket()
    main.put_object(Bucket=name, Key='k', Body=b'foo', ContentType='audio/ogg', Metadata={'a': '1'})
    etag = main.copy_object(Bucket=other, Key='k2', CopySource=f'{name}/k')['CopyObjectResult']['ETag']
    got = main.get_object(Bucket=other, Key='k2')
    assert (got['Body'].read(), got['ContentType'], got['Metadata'], got['ETag']) == (b'foo', 'audio/ogg', {'a': '1'}, etag)
    refused('InvalidRequest', 400, main.copy_object, Bucket=name, Key='k', CopySource=f'{name}/k')
    main.copy_object(Bucket=name, Key='k', CopySource=f'{name}/k', MetadataDirective='REPLACE', Metadata={'b': '2'}, ContentType='x/y')
    got = main.head_object(Bucket=name, Key='k')
    assert (got['Metadata'], got['ContentType']) == ({'b': '2'}, 'x/y'), got
    main.copy_object(Bucket=name, Key='bare', CopySource=f'{name}/k', MetadataDirective='REPLACE')
    assert main.head_object(Bucket=name, Key='bare')['Metadata'] == {}
    missing = refused('NoSuchKey', 404, main.copy_object, Bucket=name, Key='x', CopySource=f'{name}/none')
    assert missing['Error']['Key'] == 'none' and missing['ResponseMetadata']['HostId'], missing
    refused('NoSuchBucket', 404, main.copy_object, Bucket=name, Key='x', CopySource=f'{name}-none/none')
    etag = main.head_object(Bucket=name, Key='k')['ETag']
    main.copy_object(Bucket=name, Key='y', CopySource=f'{name}/k', CopySourceIfMatch=etag)
    refused('PreconditionFailed', 412, main.copy_object, Bucket=name, Key='y', CopySource=f'{name}/k', CopySourceIfMatch='no')
    refused('PreconditionFailed', 412, main.copy_object, Bucket=name, Key='y', CopySource=f'{name}/k', CopySourceIfNoneMatch=etag)
    main.copy_object(Bucket=name, Key='y', CopySource=f'{name}/k', CopySourceIfNoneMatch='no')
    refused('AccessDenied', 403, alt.copy_object, Bucket=bucket(alt), Key='x', CopySource=f'{name}/k')
    main.put_object(Bucket=name, Key='open', Body=b'', ACL='public-read')
    for more in [{}, {'MetadataDirective': 'REPLACE'}]:
        main.copy_object(Bucket=name, Key='shut', CopySource=f'{name}/open', **more)
        refused('AccessDenied', 403, nobody.get_object, Bucket=name, Key='shut')
    main.copy_object(Bucket=name, Key='shut', CopySource=f'{name}/open', ACL='public-read')
    nobody.get_object(Bucket=name, Key='shut')
    main.put_object(Bucket=name, Key='zero', Body=b'')
    main.copy_object(Bucket=name, Key='zero2', CopySource=f'{name}/zero')
    assert main.head_object(Bucket=name, Key='zero2')['ContentLength'] == 0


@check
def multi_delete():
    name = bucket()
    put(name, 'a', 'b', 'c')
    long = [{'Key': f'{at:04}' + '&' * 1020} for at in range(1000)]
    assert len(main.delete_objects(Bucket=name, Delete={'Objects': long})['Deleted']) == 1000
    gone = main.delete_objects(Bucket=name, Delete={'Objects': [{'Key': 'a'}, {'Key': 'none'}]})
    assert sorted(one['Key'] for one in gone['Deleted']) == ['a', 'none']
    gone = main.delete_objects(Bucket=name, Delete={'Objects': [{'Key': 'b'}], 'Quiet': True})
    assert 'Deleted' not in gone
    refused('MalformedXML', 400, main.delete_objects, Bucket=name, Delete={'Objects': [{'Key': str(at)} for at in range(1001)]})
    main.put_bucket_acl(Bucket=name, ACL='public-read')
    gone = alt.delete_objects(Bucket=name, Delete={'Objects': [{'Key': 'c'}]})
    assert gone['Errors'][0]['Code'] == 'AccessDenied', gone


# --- uploads in parts

PART = 5 * 2**20


def upload(name, key, *parts, by=main, complete=None, **options):
    started = by.create_multipart_upload(Bucket=name, Key=key, **options)
    # Each part has the upload's checksum; newer ones would send one of their own choice.
    same = {'ChecksumAlgorithm': options['ChecksumAlgorithm']} if 'ChecksumAlgorithm' in options else {}
    done = []
    for number, body in enumerate(parts, 1):
        answer = by.upload_part(Bucket=name, Key=key, UploadId=started['UploadId'], PartNumber=number, Body=body, **same)
        done.append({'PartNumber': number, 'ETag': answer['ETag'], **{name: value for name, value in answer.items() if name.startswith('Checksum')}})
    answer = by.complete_multipart_upload(Bucket=name, Key=key, UploadId=started['UploadId'], MultipartUpload={'Parts': done}, **(complete or {}))
    return started['UploadId'], done, answer


@check
def multipart():
    name = bucket()
    one, two = b'A' * PART, b'B' * 17
    upload_id, done, answer = upload(name, 'k', one, two, ContentType='text/bla', Metadata={'foo': 'bar'})
    digest = hashlib.md5(hashlib.md5(one).digest() + hashlib.md5(two).digest()).hexdigest()
    assert answer['ETag'] == f'"{digest}-2"' and answer['Key'] == 'k' and answer['Bucket'] == name
    got = main.get_object(Bucket=name, Key='k')
    assert (got['Body'].read() == one + two, got['ContentType'], got['Metadata']) == (True, 'text/bla', {'foo': 'bar'})
    # Again: the answer of a request that was repeated.
    main.complete_multipart_upload(Bucket=name, Key='k', UploadId=upload_id, MultipartUpload={'Parts': [{k: v for k, v in one.items()} for one in done]})
    assert main.head_object(Bucket=name, Key='k', PartNumber=2)['ContentLength'] == 17
    got = main.get_object(Bucket=name, Key='k', PartNumber=2)
    assert (got['Body'].read(), got['PartsCount'], got['ContentRange']) == (two, 2, f'bytes {PART}-{PART + 16}/{PART + 17}')
    refused('InvalidPart', 400, main.get_object, Bucket=name, Key='k', PartNumber=3)
    refused('NoSuchUpload', 404, main.upload_part, Bucket=name, Key='k', UploadId='nope', PartNumber=1, Body=b'')
    refused('NoSuchUpload', 404, main.abort_multipart_upload, Bucket=name, Key='k', UploadId='nope')
    refused('NoSuchUpload', 404, main.complete_multipart_upload, Bucket=name, Key='k', UploadId='nope', MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': 'x'}]})
    started = main.create_multipart_upload(Bucket=name, Key='open')['UploadId']
    refused('InvalidArgument', 400, main.upload_part, Bucket=name, Key='open', UploadId=started, PartNumber=0, Body=b'')
    refused('InvalidArgument', 400, main.upload_part, Bucket=name, Key='open', UploadId=started, PartNumber=10001, Body=b'')
    etags = [main.upload_part(Bucket=name, Key='open', UploadId=started, PartNumber=at, Body=b'x' * 10)['ETag'] for at in (1, 2)]
    parts = [{'PartNumber': at, 'ETag': etag} for at, etag in enumerate(etags, 1)]
    done = lambda parts: main.complete_multipart_upload(Bucket=name, Key='open', UploadId=started, MultipartUpload={'Parts': parts})
    listed = main.list_parts(Bucket=name, Key='open', UploadId=started)
    assert [one['PartNumber'] for one in listed['Parts']] == [1, 2] and listed['Parts'][0]['Size'] == 10
    listed = main.list_parts(Bucket=name, Key='open', UploadId=started, MaxParts=1)
    assert listed['IsTruncated'] and listed['NextPartNumberMarker'] == 1
    assert not main.list_parts(Bucket=name, Key='open', UploadId=started, PartNumberMarker=1)['IsTruncated']
    refused('EntityTooSmall', 400, done, parts)
    refused('InvalidPart', 400, done, [{'PartNumber': 1, 'ETag': '"ffffffffffffffffffffffffffffffff"'}])
    refused('InvalidPart', 400, done, [{'PartNumber': 9, 'ETag': etags[0]}])
    refused('InvalidPartOrder', 400, done, parts[::-1])
    refused('MalformedXML', 400, done, [])
    listed = main.list_multipart_uploads(Bucket=name)
    assert [one['UploadId'] for one in listed['Uploads']] == [started], listed
    main.abort_multipart_upload(Bucket=name, Key='open', UploadId=started)
    assert 'Uploads' not in main.list_multipart_uploads(Bucket=name)
    for key in ['a/1', 'a/2', 'b']:
        main.create_multipart_upload(Bucket=name, Key=key)
    again = main.create_multipart_upload(Bucket=name, Key='b')['UploadId']
    assert [one['UploadId'] for one in main.list_multipart_uploads(Bucket=name, Prefix='b')['Uploads']][-1] == again
    main.abort_multipart_upload(Bucket=name, Key='b', UploadId=again)
    page = main.list_multipart_uploads(Bucket=name, Delimiter='/')
    assert ([one['Key'] for one in page['Uploads']], prefixes(page)) == (['b'], ['a/'])
    page = main.list_multipart_uploads(Bucket=name, MaxUploads=1)
    assert page['IsTruncated'] and page['NextKeyMarker'] == 'a/1', page
    page = main.list_multipart_uploads(Bucket=name, KeyMarker=page['NextKeyMarker'], UploadIdMarker=page['NextUploadIdMarker'])
    assert [one['Key'] for one in page['Uploads']] == ['a/2', 'b']


@check
def multipart_copies():
    name = bucket()
    body = bytes(range(256)) * 4 * 5120 + b'tail'
    main.put_object(Bucket=name, Key='src', Body=body)
    started = main.create_multipart_upload(Bucket=name, Key='dst')['UploadId']
    copied = lambda number, **more: main.upload_part_copy(Bucket=name, Key='dst', UploadId=started, PartNumber=number, CopySource=f'{name}/src', **more)
    first = copied(1, CopySourceRange=f'bytes=0-{PART - 1}')['CopyPartResult']['ETag']
    second = copied(2, CopySourceRange=f'bytes={PART}-{PART + 3}')['CopyPartResult']['ETag']
    for bad in ['bytes=a-b', '0-2', 'bytes=0', 'bytes=hello', 'bytes=2-1']:
        refused('InvalidArgument', 400, copied, 3, CopySourceRange=bad)
    refused('InvalidRange', 416, copied, 3, CopySourceRange='bytes=0-99999999')
    main.complete_multipart_upload(Bucket=name, Key='dst', UploadId=started, MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': first}, {'PartNumber': 2, 'ETag': second}]})
    assert main.get_object(Bucket=name, Key='dst')['Body'].read() == body[:PART + 4]
    started = main.create_multipart_upload(Bucket=name, Key='sums', ChecksumAlgorithm='SHA256')['UploadId']
    part = main.upload_part_copy(Bucket=name, Key='sums', UploadId=started, PartNumber=1, CopySource=f'{name}/src', CopySourceRange='bytes=0-9')['CopyPartResult']
    assert part['ChecksumSHA256'] == base64.b64encode(hashlib.sha256(body[:10]).digest()).decode(), part
    main.complete_multipart_upload(Bucket=name, Key='sums', UploadId=started,
                                   MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': part['ETag'], 'ChecksumSHA256': part['ChecksumSHA256']}]})


# --- versions

@check
def versions():
    name = bucket()
    put(name, 'null')
    assert 'Status' not in main.get_bucket_versioning(Bucket=name)
    main.put_bucket_versioning(Bucket=name, VersioningConfiguration={'Status': 'Enabled'})
    assert main.get_bucket_versioning(Bucket=name)['Status'] == 'Enabled'
    ids = [main.put_object(Bucket=name, Key='k', Body=str(at).encode())['VersionId'] for at in range(3)]
    assert len(set(ids)) == 3
    for at, one in enumerate(ids):
        got = main.get_object(Bucket=name, Key='k', VersionId=one)
        assert got['Body'].read() == str(at).encode() and got['VersionId'] == one
    assert main.head_object(Bucket=name, Key='null')['VersionId'] == 'null'
    gone = main.delete_object(Bucket=name, Key='k')
    assert gone['DeleteMarker'] is True
    answer = refused('NoSuchKey', 404, main.get_object, Bucket=name, Key='k')
    assert answer['ResponseMetadata']['HTTPHeaders']['x-amz-delete-marker'] == 'true'
    refused('MethodNotAllowed', 405, main.get_object, Bucket=name, Key='k', VersionId=gone['VersionId'])
    refused(None, 405, main.head_object, Bucket=name, Key='k', VersionId=gone['VersionId'])
    listed = main.list_object_versions(Bucket=name)
    assert [one['VersionId'] for one in listed['Versions']] == ids[::-1] + ['null'], listed
    assert [one['VersionId'] for one in listed['DeleteMarkers']] == [gone['VersionId']] and listed['DeleteMarkers'][0]['IsLatest']
    assert not any(one['IsLatest'] for one in listed['Versions'] if one['Key'] == 'k')
    assert keys(main.list_objects(Bucket=name)) == ['null']
    seen, marker = [], {}
    while True:
        page = main.list_object_versions(Bucket=name, MaxKeys=1, **marker)
        seen += [one['VersionId'] for one in page.get('Versions', []) + page.get('DeleteMarkers', [])]
        if not page['IsTruncated']:
            break
        marker = {'KeyMarker': page['NextKeyMarker'], 'VersionIdMarker': page['NextVersionIdMarker']}
    assert seen == [gone['VersionId']] + ids[::-1] + ['null'], seen
    undone = main.delete_object(Bucket=name, Key='k', VersionId=gone['VersionId'])
    assert undone['DeleteMarker'] is True and undone['VersionId'] == gone['VersionId']
    assert main.get_object(Bucket=name, Key='k')['Body'].read() == b'2'
    main.delete_object(Bucket=name, Key='k', VersionId=ids[2])
    assert main.get_object(Bucket=name, Key='k')['Body'].read() == b'1'
    refused('NoSuchVersion', 404, main.get_object, Bucket=name, Key='k', VersionId=ids[2])
    copy = main.copy_object(Bucket=name, Key='copy', CopySource={'Bucket': name, 'Key': 'k', 'VersionId': ids[0]})
    assert copy['CopySourceVersionId'] == ids[0]
    assert main.get_object(Bucket=name, Key='copy')['Body'].read() == b'0'
    main.put_bucket_versioning(Bucket=name, VersioningConfiguration={'Status': 'Suspended'})
    assert 'VersionId' not in main.put_object(Bucket=name, Key='k', Body=b'null')
    assert main.get_object(Bucket=name, Key='k')['VersionId'] == 'null'
    main.put_object(Bucket=name, Key='k', Body=b'null2')
    assert [one['VersionId'] for one in main.list_object_versions(Bucket=name, Prefix='k')['Versions']] == ['null'] + ids[:2][::-1]
    gone = main.delete_object(Bucket=name, Key='k')
    assert gone['VersionId'] == 'null' and gone['DeleteMarker']
    listed = main.list_object_versions(Bucket=name)
    everything = [{'Key': one['Key'], 'VersionId': one['VersionId']} for one in listed['Versions'] + listed['DeleteMarkers']]
    gone = main.delete_objects(Bucket=name, Delete={'Objects': everything})
    assert 'Errors' not in gone, gone
    main.delete_bucket(Bucket=name)


@check
def versioned_multi_delete():
    name = bucket()
    main.put_bucket_versioning(Bucket=name, VersioningConfiguration={'Status': 'Enabled'})
    put(name, 'k')
    gone = main.delete_objects(Bucket=name, Delete={'Objects': [{'Key': 'k'}]})['Deleted'][0]
    assert gone['DeleteMarker'] and gone['DeleteMarkerVersionId'], gone
    again = main.delete_objects(Bucket=name, Delete={'Objects': [{'Key': 'k', 'VersionId': gone['DeleteMarkerVersionId']}]})['Deleted'][0]
    assert again['DeleteMarker'] and again['DeleteMarkerVersionId'] == again['VersionId'], again


# --- tags

@check
def tags():
    name = bucket()
    refused('NoSuchTagSet', 404, main.get_bucket_tagging, Bucket=name)
    one = [{'Key': 'Hello', 'Value': 'World'}]
    main.put_bucket_tagging(Bucket=name, Tagging={'TagSet': one})
    assert main.get_bucket_tagging(Bucket=name)['TagSet'] == one
    main.delete_bucket_tagging(Bucket=name)
    refused('NoSuchTagSet', 404, main.get_bucket_tagging, Bucket=name)
    put(name, 'k')
    assert main.get_object_tagging(Bucket=name, Key='k')['TagSet'] == []
    many = [{'Key': str(at), 'Value': str(at)} for at in range(10)]
    main.put_object_tagging(Bucket=name, Key='k', Tagging={'TagSet': many})
    assert main.get_object_tagging(Bucket=name, Key='k')['TagSet'] == many
    assert main.head_object(Bucket=name, Key='k')['ResponseMetadata']['HTTPHeaders']['x-amz-tagging-count'] == '10'
    refused('InvalidTag', 400, main.put_object_tagging, Bucket=name, Key='k', Tagging={'TagSet': many + [{'Key': '10', 'Value': ''}]})
    refused('InvalidTag', 400, main.put_object_tagging, Bucket=name, Key='k', Tagging={'TagSet': [{'Key': 'k' * 129, 'Value': ''}]})
    refused('InvalidTag', 400, main.put_object_tagging, Bucket=name, Key='k', Tagging={'TagSet': [{'Key': 'k', 'Value': 'v' * 257}]})
    refused('InvalidTag', 400, main.put_object_tagging, Bucket=name, Key='k', Tagging={'TagSet': [{'Key': 'k', 'Value': ''}] * 2})
    main.delete_object_tagging(Bucket=name, Key='k')
    assert main.get_object_tagging(Bucket=name, Key='k')['TagSet'] == []
    main.put_object(Bucket=name, Key='t', Body=b'', Tagging='foo=bar&bar&a=b%20c')
    assert main.get_object_tagging(Bucket=name, Key='t')['TagSet'] == [{'Key': 'a', 'Value': 'b c'}, {'Key': 'bar', 'Value': ''}, {'Key': 'foo', 'Value': 'bar'}]
    main.copy_object(Bucket=name, Key='t2', CopySource=f'{name}/t')
    assert len(main.get_object_tagging(Bucket=name, Key='t2')['TagSet']) == 3
    main.copy_object(Bucket=name, Key='t3', CopySource=f'{name}/t', TaggingDirective='REPLACE', Tagging='x=y')
    assert main.get_object_tagging(Bucket=name, Key='t3')['TagSet'] == [{'Key': 'x', 'Value': 'y'}]


# --- access

@check
def acls():
    name = bucket()
    got = main.get_bucket_acl(Bucket=name)
    assert got['Owner']['ID'] == MAIN and [one['Permission'] for one in got['Grants']] == ['FULL_CONTROL'], got
    put(name, 'k')
    refused('AccessDenied', 403, alt.get_object, Bucket=name, Key='k')
    refused('AccessDenied', 403, nobody.get_object, Bucket=name, Key='k')
    refused('AccessDenied', 403, alt.list_objects, Bucket=name)
    refused('AccessDenied', 403, alt.put_object, Bucket=name, Key='x', Body=b'')
    refused('AccessDenied', 403, nobody.get_object, Bucket=name, Key='none')
    main.put_object_acl(Bucket=name, Key='k', ACL='public-read')
    assert nobody.get_object(Bucket=name, Key='k')['Body'].read() == b'k'
    main.put_object_acl(Bucket=name, Key='k', ACL='authenticated-read')
    refused('AccessDenied', 403, nobody.get_object, Bucket=name, Key='k')
    alt.get_object(Bucket=name, Key='k')
    main.put_bucket_acl(Bucket=name, ACL='public-read-write')
    assert len(main.get_bucket_acl(Bucket=name)['Grants']) == 3
    nobody.list_objects(Bucket=name)
    refused('NoSuchKey', 404, nobody.get_object, Bucket=name, Key='none')
    alt.put_object(Bucket=name, Key='theirs', Body=b'')
    assert alt.get_object_acl(Bucket=name, Key='theirs')['Owner']['ID'] == ALT
    refused('AccessDenied', 403, main.get_object, Bucket=name, Key='theirs')
    refused('AccessDenied', 403, alt.get_bucket_acl, Bucket=name)
    main.put_bucket_acl(Bucket=name, ACL='private')
    policy = main.get_bucket_acl(Bucket=name)
    grants = {'Owner': policy['Owner'], 'Grants': policy['Grants'] + [{'Grantee': {'Type': 'CanonicalUser', 'ID': ALT}, 'Permission': 'READ'}]}
    main.put_bucket_acl(Bucket=name, AccessControlPolicy=grants)
    alt.list_objects(Bucket=name)
    refused('AccessDenied', 403, alt.put_object, Bucket=name, Key='x', Body=b'')
    bad = {'Owner': policy['Owner'], 'Grants': [{'Grantee': {'Type': 'CanonicalUser', 'ID': '_foo'}, 'Permission': 'FULL_CONTROL'}]}
    refused('InvalidArgument', 400, main.put_bucket_acl, Bucket=name, AccessControlPolicy=bad)
    bad = {'Owner': policy['Owner'], 'Grants': [{'Grantee': {'Type': 'AmazonCustomerByEmail', 'EmailAddress': 'no@where'}, 'Permission': 'READ'}]}
    refused('UnresolvableGrantByEmailAddress', 400, main.put_bucket_acl, Bucket=name, AccessControlPolicy=bad)
    main.put_object(Bucket=name, Key='g', Body=b'', GrantRead=f'id={ALT}', GrantFullControl=f'id={MAIN}')
    assert len(main.get_object_acl(Bucket=name, Key='g')['Grants']) == 2
    alt.get_object(Bucket=name, Key='g')
    refused('InvalidArgument', 400, main.put_object, Bucket=name, Key='g', Body=b'', ACL='bogus')


@check
def ownership():
    name = bucket(ACL='public-read-write', ObjectOwnership='BucketOwnerPreferred')
    alt.put_object(Bucket=name, Key='k', Body=b'', ACL='bucket-owner-full-control')
    assert main.get_object_acl(Bucket=name, Key='k')['Owner']['ID'] == MAIN
    alt.put_object(Bucket=name, Key='own', Body=b'')
    refused('AccessDenied', 403, main.get_object_acl, Bucket=name, Key='own')
    assert [one['Permission'] for one in main.get_bucket_acl(Bucket=name)['Grants']] == ['READ', 'WRITE', 'FULL_CONTROL']


@check
def policies():
    name = bucket()
    put(name, 'asdf', 'public/x')
    refused('NoSuchBucketPolicy', 404, main.get_bucket_policy, Bucket=name)
    statement = lambda **more: json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Principal': {'AWS': '*'}, **more}]})
    text = statement(Action='s3:ListBucket', Resource=[f'arn:aws:s3:::{name}', f'arn:aws:s3:::{name}/*'])
    main.put_bucket_policy(Bucket=name, Policy=text)
    assert main.get_bucket_policy(Bucket=name)['Policy'] == text
    assert main.get_bucket_policy_status(Bucket=name)['PolicyStatus']['IsPublic'] is True
    assert keys(alt.list_objects(Bucket=name)) == ['asdf', 'public/x']
    assert keys(nobody.list_objects_v2(Bucket=name)) == ['asdf', 'public/x']
    refused('AccessDenied', 403, alt.get_object, Bucket=name, Key='asdf')
    main.put_bucket_policy(Bucket=name, Policy=statement(Action='s3:GetObject', Resource=f'arn:aws:s3:::{name}/public/*'))
    nobody.get_object(Bucket=name, Key='public/x')
    refused('AccessDenied', 403, nobody.get_object, Bucket=name, Key='asdf')
    deny = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Deny', 'Principal': '*', 'Action': 's3:PutObject', 'Resource': f'arn:aws:s3:::{name}/*',
                                                               'Condition': {'StringNotEquals': {'s3:x-amz-acl': 'private'}}}]})
    main.put_bucket_policy(Bucket=name, Policy=deny)
    refused('AccessDenied', 403, main.put_object, Bucket=name, Key='n', Body=b'')
    main.put_object(Bucket=name, Key='n', Body=b'', ACL='private')
    aged = {'Effect': 'Deny', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': f'arn:aws:s3:::{name}/*', 'Condition': {'NumericGreaterThanEquals': {'s3:signatureAge': '0'}}}
    main.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [aged]}))
    refused('AccessDenied', 403, main.get_object, Bucket=name, Key='asdf')
    aged['Condition'] = {'NumericGreaterThan': {'s3:signatureAge': '600000'}}
    main.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [aged]}))
    main.get_object(Bucket=name, Key='asdf')
    writes = {'Effect': 'Deny', 'Principal': '*', 'Action': 's3:PutObject', 'Resource': f'arn:aws:s3:::{name}/*',
              'Condition': {'Null': {'s3:if-none-match': 'true'}, 'Bool': {'s3:ObjectCreationOperation': 'true'}}}
    main.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [writes]}))
    refused('AccessDenied', 403, main.put_object, Bucket=name, Key='new', Body=b'')
    started = main.create_multipart_upload(Bucket=name, Key='new')['UploadId']
    etag = main.upload_part(Bucket=name, Key='new', UploadId=started, PartNumber=1, Body=b'x')['ETag']
    whole = {'Bucket': name, 'Key': 'new', 'UploadId': started, 'MultipartUpload': {'Parts': [{'PartNumber': 1, 'ETag': etag}]}}
    refused('AccessDenied', 403, main.complete_multipart_upload, **whole)
    by = client(KEYS[0])
    with_field(by, 'CompleteMultipartUpload', 'If-None-Match', '*')
    by.complete_multipart_upload(**whole)
    main.delete_bucket_policy(Bucket=name)
    main.delete_object(Bucket=name, Key='new')
    tagged = statement(Action='s3:GetObject', Resource=f'arn:aws:s3:::{name}/*', Condition={'StringEquals': {'s3:ExistingObjectTag/security': 'public'}})
    main.put_bucket_policy(Bucket=name, Policy=tagged)
    main.put_object_tagging(Bucket=name, Key='asdf', Tagging={'TagSet': [{'Key': 'security', 'Value': 'public'}]})
    alt.get_object(Bucket=name, Key='asdf')
    refused('AccessDenied', 403, alt.get_object, Bucket=name, Key='public/x')
    main.put_bucket_policy(Bucket=name, Policy=statement(Action='s3:ListBucket', Resource=f'arn:aws:s3:::{name}', Condition={'StringLike': {'s3:prefix': 'public/*'}}))
    refused('404', 404, alt.head_object, Bucket=name, Key='public/none')
    refused('403', 403, alt.head_object, Bucket=name, Key='private/none')
    put(name, f'home/{ALT}/x', 'home/else/x')
    main.put_bucket_policy(Bucket=name, Policy=statement(Action='s3:GetObject', Resource=f'arn:aws:s3:::{name}/home/${{aws:username}}/*'))
    alt.get_object(Bucket=name, Key=f'home/{ALT}/x')
    refused('AccessDenied', 403, alt.get_object, Bucket=name, Key='home/else/x')
    main.put_bucket_policy(Bucket=name, Policy=statement(Action='s3:PutObjectTagging', Resource=f'arn:aws:s3:::{name}/*', Condition={'StringEquals': {'s3:RequestObjectTag/a': 'b'}}))
    alt.put_object_tagging(Bucket=name, Key='asdf', Tagging={'TagSet': [{'Key': 'a', 'Value': 'b'}]})
    refused('AccessDenied', 403, alt.put_object_tagging, Bucket=name, Key='asdf', Tagging={'TagSet': [{'Key': 'a', 'Value': 'c'}]})
    excepted = {'Effect': 'Allow', 'NotPrincipal': {'AWS': ALT}, 'Action': 's3:GetObject', 'Resource': f'arn:aws:s3:::{name}/*'}
    for bad in [json.dumps({'Statement': [excepted]}), '{}', 'x', statement(Action='s3:GetObject', Resource='arn:aws:s3:::elsewhere/*'), statement(Action='ec2:Run', Resource=f'arn:aws:s3:::{name}/*')]:
        refused('MalformedPolicy', 400, main.put_bucket_policy, Bucket=name, Policy=bad)


@check
def public_access():
    name = bucket()
    refused('NoSuchPublicAccessBlockConfiguration', 404, main.get_public_access_block, Bucket=name)
    block = {'BlockPublicAcls': True, 'IgnorePublicAcls': True, 'BlockPublicPolicy': True, 'RestrictPublicBuckets': False}
    main.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    assert main.get_public_access_block(Bucket=name)['PublicAccessBlockConfiguration'] == block
    refused('AccessDenied', 403, main.put_bucket_acl, Bucket=name, ACL='public-read')
    refused('AccessDenied', 403, main.put_object, Bucket=name, Key='k', Body=b'', ACL='public-read')
    policy = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': f'arn:aws:s3:::{name}/*'}]}
    refused('AccessDenied', 403, main.put_bucket_policy, Bucket=name, Policy=json.dumps(policy))
    main.delete_public_access_block(Bucket=name)
    main.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    refused('OwnershipControlsNotFoundError', 404, main.get_bucket_ownership_controls, Bucket=name)
    main.put_bucket_ownership_controls(Bucket=name, OwnershipControls={'Rules': [{'ObjectOwnership': 'BucketOwnerEnforced'}]})
    assert main.get_bucket_ownership_controls(Bucket=name)['OwnershipControls']['Rules'][0]['ObjectOwnership'] == 'BucketOwnerEnforced'
    for acl in ['public-read', 'private']:
        refused('AccessControlListNotSupported', 400, main.put_bucket_acl, Bucket=name, ACL=acl)
        refused('AccessControlListNotSupported', 400, main.put_object, Bucket=name, Key='k', Body=b'', ACL=acl)
    main.put_object(Bucket=name, Key='k', Body=b'', ACL='bucket-owner-full-control')
    refused('MalformedXML', 400, main.put_bucket_ownership_controls, Bucket=name, OwnershipControls={'Rules': [{'ObjectOwnership': 'Nobody'}]})
    main.delete_bucket_ownership_controls(Bucket=name)
    main.put_bucket_acl(Bucket=name, ACL='public-read')
    refused('InvalidBucketAclWithObjectOwnership', 400, main.put_bucket_ownership_controls, Bucket=name,
            OwnershipControls={'Rules': [{'ObjectOwnership': 'BucketOwnerEnforced'}]})


@check
def presigned():
    name = bucket()
    put(name, 'k y')
    for signature in ['s3v4', 's3']:
        by = client(KEYS[0], signature_version=signature)
        url = by.generate_presigned_url('get_object', Params={'Bucket': name, 'Key': 'k y', 'ResponseContentType': 'a/b'}, ExpiresIn=100)
        answer = urllib.request.urlopen(url)
        assert answer.read() == b'k y' and answer.headers['Content-Type'] == 'a/b'
        url = by.generate_presigned_url('put_object', Params={'Bucket': name, 'Key': 'up'}, ExpiresIn=100)
        urllib.request.urlopen(urllib.request.Request(url, data=signature.encode(), method='PUT', headers={'Content-Type': ''} if signature == 's3' else {}))
        assert main.get_object(Bucket=name, Key='up')['Body'].read() == signature.encode()
    url = by.generate_presigned_url('get_object', Params={'Bucket': name, 'Key': 'k y'}, ExpiresIn=-100)
    try:
        urllib.request.urlopen(url)
        raise AssertionError('expired but read')
    except urllib.error.HTTPError as error:
        assert error.code == 403 and b'expired' in error.read()
    url = main.generate_presigned_url('get_object', Params={'Bucket': name, 'Key': 'k y'}, ExpiresIn=700000)
    try:
        urllib.request.urlopen(url)
        raise AssertionError('too long but read')
    except urllib.error.HTTPError as error:
        assert error.code == 400


@check
def signatures():
    name = bucket()
    put(name, 'k')
    old = client(KEYS[0], signature_version='s3')
    old.put_object(Bucket=name, Key='v2', Body=b'v2', Metadata={'a': 'b'})
    assert old.get_object(Bucket=name, Key='v2')['Body'].read() == b'v2'
    assert keys(old.list_objects_v2(Bucket=name, Prefix='v')) == ['v2']
    refused('SignatureDoesNotMatch', 403, client([KEYS[0][0], 'wrong']).get_object, Bucket=name, Key='k')
    refused('SignatureDoesNotMatch', 403, client([KEYS[0][0], 'wrong'], signature_version='s3').get_object, Bucket=name, Key='k')
    refused('InvalidAccessKeyId', 403, client(['nobody', 'wrong']).get_object, Bucket=name, Key='k')
    far = boto3.client('s3', endpoint_url=ADDRESS, region_name='mars-north-7', aws_access_key_id=KEYS[0][0], aws_secret_access_key=KEYS[0][1])
    assert far.get_object(Bucket=name, Key='k')['Body'].read() == b'k'
    status, _, text = raw('GET', f'/{name}', {'Authorization': 'AWS HAHAHA'})
    assert status == 400 and b'InvalidArgument' in text
    assert raw('GET', f'/{name}', {'Authorization': ''})[0] == 403
    host = client(KEYS[0], s3={'addressing_style': 'virtual'})
    url = urllib.parse.urlparse(ADDRESS)
    host = boto3.client('s3', endpoint_url=f'http://localhost:{url.port}', region_name='us-east-1', aws_access_key_id=KEYS[0][0],
                        aws_secret_access_key=KEYS[0][1], config=Config(signature_version='s3v4', s3={'addressing_style': 'virtual'}))
    signed = host.generate_presigned_url('get_object', Params={'Bucket': name, 'Key': 'k'})
    parts = urllib.parse.urlparse(signed)
    assert parts.hostname == f'{name}.localhost', signed
    assert raw('GET', f'{parts.path}?{parts.query}', host=parts.netloc)[2] == b'k'


# --- checksums

@check
def checksums():
    name = bucket()
    crc = base64.b64encode(zlib.crc32(b'hello').to_bytes(4, 'big')).decode()
    for algorithm, value in [('CRC32', crc), ('SHA1', base64.b64encode(hashlib.sha1(b'hello').digest()).decode()),
                             ('SHA256', base64.b64encode(hashlib.sha256(b'hello').digest()).decode())]:
        answer = main.put_object(Bucket=name, Key='k', Body=b'hello', ChecksumAlgorithm=algorithm)
        assert answer[f'Checksum{algorithm}'] == value, answer
        assert main.head_object(Bucket=name, Key='k', ChecksumMode='ENABLED')[f'Checksum{algorithm}'] == value
    got = main.get_object_attributes(Bucket=name, Key='k', ObjectAttributes=['ETag', 'Checksum', 'ObjectSize', 'StorageClass'])
    assert got['Checksum']['ChecksumSHA256'] == value and got['ObjectSize'] == 5 and got['ETag'] == hashlib.md5(b'hello').hexdigest()
    refused('BadDigest', 400, main.put_object, Bucket=name, Key='k', Body=b'hello', ChecksumSHA256=base64.b64encode(bytes(32)).decode())
    refused('BadDigest', 400, main.put_object, Bucket=name, Key='k', Body=b'hello', ChecksumSHA256='bad')
    one, two = b'A' * PART, b'B' * 5
    digest = lambda body: hashlib.sha256(body).digest()
    wanted = base64.b64encode(digest(digest(one) + digest(two))).decode() + '-2'
    for code, claimed in [('BadDigest', 'bad'), ('BadDigest', base64.b64encode(bytes(32)).decode() + '-2')]:
        refused(code, 400, upload, name, 'm', one, two, ChecksumAlgorithm='SHA256', complete={'ChecksumSHA256': claimed})
    _, _, answer = upload(name, 'm', one, two, ChecksumAlgorithm='SHA256', complete={'ChecksumSHA256': wanted})
    assert answer['ChecksumSHA256'] == wanted, answer
    got = main.get_object_attributes(Bucket=name, Key='m', ObjectAttributes=['ObjectParts', 'Checksum'])
    assert got['ObjectParts']['TotalPartsCount'] == 2 and got['Checksum']['ChecksumSHA256'] == wanted, got
    undo = with_field(main, 'GetObject', 'x-amz-checksum-mode', 'ENABLED')
    for number, body in enumerate((one, two), 1):
        part = main.get_object(Bucket=name, Key='m', PartNumber=number)
        assert part['Body'].read() == body and part['ChecksumSHA256'] == base64.b64encode(digest(body)).decode(), part
        assert part['ResponseMetadata']['HTTPHeaders']['x-amz-checksum-type'] == 'COMPOSITE'
    undo()
    assert [part['ChecksumSHA256'] for part in got['ObjectParts']['Parts']] == [base64.b64encode(digest(body)).decode() for body in (one, two)], got
    for algorithm, whole in [('SHA256', digest(one + two)), ('CRC32', zlib.crc32(one + two).to_bytes(4, 'big'))]:
        upload(name, 'm', one, two, ChecksumAlgorithm=algorithm)
        main.copy_object(Bucket=name, Key='copy', CopySource=f'{name}/m')
        head = main.head_object(Bucket=name, Key='copy', ChecksumMode='ENABLED')
        assert head[f'Checksum{algorithm}'] == base64.b64encode(whole).decode(), head
        assert head['ResponseMetadata']['HTTPHeaders']['x-amz-checksum-type'] == 'FULL_OBJECT'
    if boto3.__version__ >= '1.36':
        _, _, answer = upload(name, 'f', one, two, ChecksumAlgorithm='CRC32', ChecksumType='FULL_OBJECT')
        assert answer['ChecksumCRC32'] == base64.b64encode(zlib.crc32(one + two).to_bytes(4, 'big')).decode(), answer


# --- settings of buckets

@check
def cors():
    name = bucket()
    refused('NoSuchCORSConfiguration', 404, main.get_bucket_cors, Bucket=name)
    rules = [{'AllowedMethods': ['GET', 'PUT'], 'AllowedOrigins': ['*suffix', 'start*end'], 'AllowedHeaders': ['x-amz-*'], 'ExposeHeaders': ['ETag'], 'MaxAgeSeconds': 5}]
    main.put_bucket_cors(Bucket=name, CORSConfiguration={'CORSRules': rules})
    assert main.get_bucket_cors(Bucket=name)['CORSRules'] == rules
    main.put_bucket_acl(Bucket=name, ACL='public-read')
    _, fields, _ = raw('GET', f'/{name}', {'Origin': 'foo.suffix'})
    assert (fields['access-control-allow-origin'], fields['access-control-allow-methods'], fields['access-control-expose-headers']) == ('foo.suffix', 'GET, PUT', 'ETag'), fields
    assert 'access-control-allow-origin' not in raw('GET', f'/{name}', {'Origin': 'foo.bar'})[1]
    status, fields, _ = raw('OPTIONS', f'/{name}/k', {'Origin': 'startXend', 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'x-amz-meta-a'})
    assert (status, fields['access-control-allow-headers'], fields['access-control-max-age']) == (200, 'x-amz-meta-a', '5')
    assert raw('OPTIONS', f'/{name}/k', {'Origin': 'startXend', 'Access-Control-Request-Method': 'DELETE'})[0] == 403
    assert raw('OPTIONS', f'/{name}/k', {'Origin': 'startXend'})[0] == 400
    main.delete_bucket_cors(Bucket=name)
    refused('NoSuchCORSConfiguration', 404, main.get_bucket_cors, Bucket=name)


@check
def lifecycle():
    name = bucket()
    refused('NoSuchLifecycleConfiguration', 404, main.get_bucket_lifecycle_configuration, Bucket=name)
    rules = [{'ID': 'rule1', 'Expiration': {'Days': 1}, 'Filter': {'Prefix': 'test1/'}, 'Status': 'Enabled'},
             {'ID': 'rule2', 'NoncurrentVersionExpiration': {'NoncurrentDays': 2}, 'Filter': {'And': {'Prefix': 'x', 'Tags': [{'Key': 'a', 'Value': 'b'}]}}, 'Status': 'Disabled'},
             {'ID': 'rule3', 'AbortIncompleteMultipartUpload': {'DaysAfterInitiation': 3}, 'Prefix': '', 'Status': 'Enabled'},
             {'ID': 'rule4', 'Expiration': {'ExpiredObjectDeleteMarker': True}, 'Filter': {'Prefix': ''}, 'Status': 'Enabled'}]
    main.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={'Rules': rules})
    assert main.get_bucket_lifecycle_configuration(Bucket=name)['Rules'] == rules, main.get_bucket_lifecycle_configuration(Bucket=name)['Rules']
    assert 'rule1' in main.put_object(Bucket=name, Key='test1/a', Body=b'')['Expiration']
    assert 'rule-id="rule1"' in main.head_object(Bucket=name, Key='test1/a')['Expiration']
    one = lambda **more: {'Rules': [{'ID': 'r', 'Expiration': {'Days': 1}, 'Filter': {'Prefix': ''}, 'Status': 'Enabled', **more}]}
    wrong = lambda code, config: refused(code, 400, main.put_bucket_lifecycle_configuration, Bucket=name, LifecycleConfiguration=config)
    wrong('InvalidArgument', one(ID='x' * 256))
    wrong('InvalidArgument', {'Rules': one()['Rules'] * 2})
    wrong('MalformedXML', one(Status='enabled'))
    wrong('InvalidArgument', one(Expiration={'Days': 0}))
    moves = {'Transitions': [{'Days': 30, 'StorageClass': 'STANDARD_IA'}, {'Days': 60, 'StorageClass': 'GLACIER_IR'}], 'Expiration': {'Days': 90},
             'NoncurrentVersionTransitions': [{'NoncurrentDays': 30, 'NewerNoncurrentVersions': 2, 'StorageClass': 'ONEZONE_IA'}]}
    main.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=one(**moves))
    assert main.get_bucket_lifecycle_configuration(Bucket=name)['Rules'] == one(**moves)['Rules'], main.get_bucket_lifecycle_configuration(Bucket=name)['Rules']
    for code, move in [('InvalidArgument', {'Days': 29, 'StorageClass': 'STANDARD_IA'}), ('InvalidStorageClass', {'Days': 1, 'StorageClass': 'DEEP_ARCHIVE'}),
                       ('MalformedXML', {'Days': 1, 'StorageClass': 'STANDARD'}), ('MalformedXML', {'StorageClass': 'GLACIER_IR'}),
                       ('InvalidArgument', {'Days': 90, 'StorageClass': 'GLACIER_IR'})]:
        wrong(code, one(**{**moves, 'Transitions': [move]}))
    said = lambda answer: answer['ResponseMetadata']['HTTPHeaders']['x-amz-transition-default-minimum-object-size']
    assert said(main.get_bucket_lifecycle_configuration(Bucket=name)) == 'all_storage_classes_128K'
    undo = with_field(main, 'PutBucketLifecycleConfiguration', 'x-amz-transition-default-minimum-object-size', 'varies_by_storage_class')
    assert said(main.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=one())) == 'varies_by_storage_class'
    undo()
    assert said(main.get_bucket_lifecycle_configuration(Bucket=name)) == 'varies_by_storage_class'
    undo = with_field(main, 'PutBucketLifecycleConfiguration', 'x-amz-transition-default-minimum-object-size', '1')
    wrong('InvalidArgument', one())
    undo()
    wrong('InvalidRequest', one(Filter={'ObjectSizeGreaterThan': -1}))
    main.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=one(AbortIncompleteMultipartUpload={'DaysAfterInitiation': 3}))
    started = main.create_multipart_upload(Bucket=name, Key='m')
    assert started['AbortRuleId'] == 'r' and started['AbortDate'].hour == 0, started
    parts = main.list_parts(Bucket=name, Key='m', UploadId=started['UploadId'])
    assert (parts['AbortRuleId'], parts['AbortDate']) == ('r', started['AbortDate']), parts
    main.put_object(Bucket=name, Key='k', Body=b'')
    assert 'rule-id="r"' in main.copy_object(Bucket=name, Key='copy', CopySource=f'{name}/k')['Expiration']
    main.delete_bucket_lifecycle(Bucket=name)


@check
def other_settings():
    name = bucket()
    refused('NoSuchWebsiteConfiguration', 404, main.get_bucket_website, Bucket=name)
    main.put_bucket_website(Bucket=name, WebsiteConfiguration={'IndexDocument': {'Suffix': 'index.html'}, 'ErrorDocument': {'Key': 'err.html'}})
    assert main.get_bucket_website(Bucket=name)['IndexDocument']['Suffix'] == 'index.html'
    main.put_object(Bucket=name, Key='d/index.html', Body=b'<p>d', ContentType='text/html', ACL='public-read')
    main.put_object(Bucket=name, Key='err.html', Body=b'sorry', ACL='public-read')
    main.put_bucket_acl(Bucket=name, ACL='public-read')
    site = f'{name}.s3-website.localhost'
    assert raw('GET', '/d/', host=site)[2] == b'<p>d'
    assert raw('GET', '/d', host=site)[:2][0] == 302
    assert raw('GET', '/none', host=site)[::2] == (404, b'sorry')
    main.delete_bucket_website(Bucket=name)
    assert main.get_bucket_request_payment(Bucket=name)['Payer'] == 'BucketOwner'
    main.put_bucket_request_payment(Bucket=name, RequestPaymentConfiguration={'Payer': 'Requester'})
    assert main.get_bucket_request_payment(Bucket=name)['Payer'] == 'Requester'
    assert 'LoggingEnabled' not in main.get_bucket_logging(Bucket=name)
    assert 'TopicConfigurations' not in main.get_bucket_notification_configuration(Bucket=name)
    refused('ServerSideEncryptionConfigurationNotFoundError', 404, main.get_bucket_encryption, Bucket=name)
    refused('ReplicationConfigurationNotFoundError', 404, main.get_bucket_replication, Bucket=name)


@check
def what_there_is_none_of():
    name = bucket()
    put(name, 'k')
    for method, path in [('PUT', '?abac'), ('GET', '?metadataConfiguration'), ('PUT', '/k?renameObject'), ('PUT', '/k?encryption'), ('GET', '/k?torrent'),
                         ('POST', '/k?select&select-type=2')]:
        status, text = signed(method, f'/{name}{path}', body=b'<x/>')
        assert status == 501 and b'NotImplemented' in text, (method, path, status, text)
    for field in ['x-amz-write-offset-bytes', 'x-amz-server-side-encryption-context']:
        assert signed('PUT', f'/{name}/k', {field: '5'}, b'more')[0] == 501
    assert main.get_object(Bucket=name, Key='k')['Body'].read() == b'k'
    assert main.list_bucket_inventory_configurations(Bucket=name)['IsTruncated'] is False
    refused('NoSuchConfiguration', 404, main.get_bucket_analytics_configuration, Bucket=name, Id='x')
    refused('NoSuchConfiguration', 404, main.delete_bucket_metrics_configuration, Bucket=name, Id='x')
    refused('AccessDenied', 403, alt.list_bucket_metrics_configurations, Bucket=name)
    main.delete_bucket_replication(Bucket=name)
    refused('InvalidObjectState', 403, main.restore_object, Bucket=name, Key='k', RestoreRequest={'Days': 1})


@check
def what_is_wrong():
    name = bucket()
    assert b'InvalidArgument' in signed('GET', f'/{name}?list-type=3')[1]
    assert b'InvalidArgument' in signed('GET', '/?max-buckets=0')[1]
    assert b'<Bucket>' not in signed('GET', '/?bucket-region=mars-north-7')[1]
    assert f'<Name>{name}</Name>'.encode() in signed('GET', '/?bucket-region=us-east-1')[1]
    assert b'InvalidLocationConstraint' in signed('PUT', f'/{name}-x', body=b'<CreateBucketConfiguration><LocationConstraint>no such!</LocationConstraint></CreateBucketConfiguration>')[1]
    signed('PUT', f'/{name}-t', body=b'<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags></CreateBucketConfiguration>')
    assert main.get_bucket_tagging(Bucket=f'{name}-t')['TagSet'] == [{'Key': 'a', 'Value': 'b'}]
    put(name, 'k')
    assert b'InvalidArgument' in signed('PUT', f'/{name}/c', {'x-amz-copy-source': f'/{name}/k?versionId='})[1]
    assert b'UserKeyMustBeSpecified' in delete_list(name, '<Object><Key></Key></Object>')[1]
    assert b'InvalidArgument' in signed('PUT', f'/{name}/k', {'x-amz-tagging': 'a=b&a=c'})[1]
    assert b'InvalidTag' in signed('PUT', f'/{name}/k', {'x-amz-tagging': 'a=b*'})[1]
    assert b'MissingSecurityHeader' in signed('PUT', f'/{name}/k?acl')[1]
    both = signed('PUT', f'/{name}/k?acl', {'x-amz-acl': 'private'}, b'<AccessControlPolicy/>')
    assert both[0] == 400 and b'InvalidRequest' in both[1], both
    started = main.create_multipart_upload(Bucket=name, Key='u', StorageClass='STANDARD_IA')['UploadId']
    assert main.list_multipart_uploads(Bucket=name)['Uploads'][0]['StorageClass'] == 'STANDARD_IA'
    assert main.list_parts(Bucket=name, Key='u', UploadId=started)['StorageClass'] == 'STANDARD_IA'
    host = urllib.parse.urlparse(ADDRESS)
    for field, code in [('Content-Length: -1', b'BadRequest'), ('x-long: ' + 'x' * 40000, b'RequestHeaderSectionTooLarge')]:
        with socket.create_connection((host.hostname, host.port), 30) as plain:
            plain.sendall(f'PUT /{name}/k HTTP/1.1\r\nHost: {host.netloc}\r\n{field}\r\n\r\n'.encode())
            answer = b''.join(iter(lambda: plain.recv(65536), b''))
        assert answer.startswith(b'HTTP/1.1 400') and code in answer, answer


@check
def newer_refusals():
    name = bucket()
    put(name, 'k')
    at = f'/{name}'
    say = lambda method, path, headers=None, body=b'': (lambda status, text: (status, text.partition(b'<Code>')[2].partition(b'<')[0].decode()))(*signed(method, at + path, headers, body))
    assert say('GET', '/k', {'x-amz-security-token': 'wrong'}) == (400, 'InvalidToken')
    token = main.generate_presigned_url('get_object', Params={'Bucket': name, 'Key': 'k'}) + '&X-Amz-Security-Token=wrong'
    assert b'InvalidToken' in raw('GET', token[len(ADDRESS):])[2]
    both = raw('GET', token[len(ADDRESS):], {'Authorization': 'AWS4-HMAC-SHA256 Credential=x'})
    assert both[0] == 400 and b'Only one auth mechanism' in both[2], both
    sha = base64.b64encode(hashlib.sha256(b'hello').digest()).decode()
    assert say('PUT', '/c', {'x-amz-sdk-checksum-algorithm': 'CRC32'}, b'hello') == (400, 'InvalidRequest')
    assert say('PUT', '/c', {'x-amz-sdk-checksum-algorithm': 'CRC32', 'x-amz-checksum-sha256': sha}, b'hello') == (400, 'BadDigest')
    assert say('PUT', '/c', {'x-amz-checksum-md4': sha}, b'hello') == (400, 'InvalidRequest')
    long = 'k' * 1025
    for method in ['GET', 'PUT', 'DELETE']:
        assert say(method, f'/{long}') == (400, 'KeyTooLongError'), method
    assert b'KeyTooLongError' in delete_list(at[1:], f'<Object><Key>{long}</Key></Object>')[1]
    assert say('DELETE', '/k?versionId=%00') == (400, 'InvalidArgument')
    for bad in ['zone--x-s3', 'amzn-s3-demo-mine', 'some.mrap', 'some--table-s3']:
        assert b'InvalidBucketName' in signed('PUT', f'/{bad}')[1], bad
    started = main.create_multipart_upload(Bucket=name, Key='m', ChecksumAlgorithm='CRC32')['UploadId']
    assert say('PUT', f'/m?partNumber=1&uploadId={started}', {'x-amz-checksum-sha256': sha}, b'hello') == (400, 'InvalidRequest')
    etag = main.upload_part(Bucket=name, Key='m', UploadId=started, PartNumber=1, Body=b'hello', ChecksumAlgorithm='CRC32')['ETag']
    ends = f'<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>'.encode()
    for size in ['6', 'six']:
        assert say('POST', f'/m?uploadId={started}', {'x-amz-mp-object-size': size}, ends) == (400, 'InvalidRequest'), size
    assert say('POST', f'/m?uploadId={started}', {'x-amz-mp-object-size': '5'}, ends)[0] == 200
    rule = '<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://a.b</AllowedOrigin>%s</CORSRule>'
    for code, more in [('InvalidRequest', '<ExposeHeader>x-*</ExposeHeader>'), ('MalformedXML', '<MaxAgeSeconds>-1</MaxAgeSeconds>'),
                       ('InvalidRequest', '<AllowedHeader>a*b*</AllowedHeader>')]:
        assert say('PUT', '?cors', body=f'<CORSConfiguration>{rule % more}</CORSConfiguration>'.encode()) == (400, code), more
    asks = {'Origin': 'http://a.b', 'Access-Control-Request-Method': 'GET'}
    assert b'CORS is not enabled' in raw('OPTIONS', f'{at}/k', asks)[2]
    main.put_bucket_cors(Bucket=name, CORSConfiguration={'CORSRules': [{'AllowedMethods': ['PUT'], 'AllowedOrigins': ['*']}]})
    assert b'AccessForbidden' in raw('OPTIONS', f'{at}/k', asks)[2]
    assert b'BadRequest' in raw('OPTIONS', f'{at}/k', {'Origin': 'http://a.b'})[2]
    rules = [{'ObjectOwnership': 'ObjectWriter'}] * 2
    refused('MalformedXML', 400, main.put_bucket_ownership_controls, Bucket=name, OwnershipControls={'Rules': rules})
    far = bucket(CreateBucketConfiguration={'LocationConstraint': 'my_zone.1'})
    assert main.get_bucket_location(Bucket=far)['LocationConstraint'] == 'my_zone.1'


@check
def policies_that_cannot_be():
    name = bucket()
    one = {'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': f'arn:aws:s3:::{name}/*'}
    set_policy = lambda *statements: main.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': statements}))
    asks = lambda operator, key, value: {**one, 'Condition': {operator: {key: value}}}
    for bad in [asks('StringEquals', 's3:nonsense', 'x'), asks('StringEquals', 'aws:Nonsense', 'x'), asks('StringEquals', 'nonsense', 'x'),
                asks('IpAddress', 'aws:SourceIp', '10.0.0.0/33'), {**one, 'Action': ['s3:GetObject', 's3:ListBucket']}, {**one, 'Resource': f'arn:aws:s3:::{name}'}]:
        refused('MalformedPolicy', 400, set_policy, bad)
    refused('MalformedPolicy', 400, set_policy, {**one, 'Sid': 'same'}, {**one, 'Sid': 'same'})
    refused('MalformedPolicy', 400, set_policy, {**one, 'Sid': 'x' * 21000})
    both = {**one, 'Action': ['s3:GetObject', 's3:ListBucket'], 'Resource': [f'arn:aws:s3:::{name}', f'arn:aws:s3:::{name}/*']}
    for good in [both, {**both, 'Resource': f'arn:aws:s3:::{name}*'}, {**one, 'Action': 's3:*'}, {**one, 'Condition': {'IpAddress': {'aws:SourceIp': ['10.0.0.0/8', '::1']}}},
                 asks('StringEquals', 'aws:PrincipalTag/team', 'x'), asks('StringLike', 's3:RequestObjectTag/a', '*'), asks('StringEquals', 'sts:ExternalId', 'x')]:
        set_policy(good)


@check
def tags_are_a_right_of_their_own():
    name = bucket(versioned=True)
    version = main.put_object(Bucket=name, Key='k', Body=b'x', Tagging='a=b')['VersionId']
    target = bucket(by=alt)
    allow = lambda *actions: main.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Principal': '*', 'Action': [f's3:{one}' for one in actions], 'Resource': f'arn:aws:s3:::{name}/*'}]}))
    counted = lambda **more: 'x-amz-tagging-count' in alt.get_object(Bucket=name, Key='k', **more)['ResponseMetadata']['HTTPHeaders']
    copies = lambda: alt.copy_object(Bucket=target, Key='k', CopySource={'Bucket': name, 'Key': 'k', 'VersionId': version})
    allow('GetObject', 'GetObjectVersion', 'GetObjectTagging')
    assert counted() and not counted(VersionId=version)
    refused('AccessDenied', 403, copies)
    allow('GetObject', 'GetObjectVersion', 'GetObjectVersionTagging')
    assert counted(VersionId=version) and not counted()
    copies()
    assert alt.get_object_tagging(Bucket=target, Key='k')['TagSet'] == [{'Key': 'a', 'Value': 'b'}]


@check
def bucket_keys():
    name = bucket()
    kms = {'ServerSideEncryption': 'aws:kms', 'SSEKMSKeyId': 'mine'}
    told = lambda answer: answer.get('BucketKeyEnabled')
    head = lambda key: told(main.head_object(Bucket=name, Key=key))
    assert told(main.put_object(Bucket=name, Key='k', Body=b'x', BucketKeyEnabled=True, **kms)) is True and head('k') is True
    assert not told(main.put_object(Bucket=name, Key='none', Body=b'x', **kms)) and not head('none')
    assert not told(main.put_object(Bucket=name, Key='other', Body=b'x', BucketKeyEnabled=True, ServerSideEncryption='AES256'))
    assert not told(main.copy_object(Bucket=name, Key='copy', CopySource=f'{name}/k', **kms)) and not head('copy')
    assert told(main.copy_object(Bucket=name, Key='copy', CopySource=f'{name}/none', BucketKeyEnabled=True, **kms)) is True and head('copy') is True
    assert signed('PUT', f'/{name}/k', {'x-amz-server-side-encryption-bucket-key-enabled': 'maybe'})[0] == 400
    rule = {'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'aws:kms', 'KMSMasterKeyID': 'mine'}, 'BucketKeyEnabled': True}
    main.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={'Rules': [rule]})
    assert told(main.put_object(Bucket=name, Key='usual', Body=b'x')) is True
    assert not told(main.put_object(Bucket=name, Key='off', Body=b'x', BucketKeyEnabled=False))
    started = main.create_multipart_upload(Bucket=name, Key='m')
    assert told(started) is True
    part = main.upload_part(Bucket=name, Key='m', UploadId=started['UploadId'], PartNumber=1, Body=b'x')
    ended = main.complete_multipart_upload(Bucket=name, Key='m', UploadId=started['UploadId'], MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': part['ETag']}]})
    assert told(part) is True and told(ended) is True and head('m') is True


@check
def wrong_documents():
    name = bucket()
    rule = {'ID': 'r', 'Status': 'Enabled', 'Expiration': {'Days': 1}, 'Filter': {'Prefix': ''}}
    abort = {'ID': 'r', 'Status': 'Enabled', 'AbortIncompleteMultipartUpload': {'DaysAfterInitiation': 1}}
    for code, one in [('InvalidArgument', {**rule, 'NoncurrentVersionExpiration': {'NoncurrentDays': 1, 'NewerNoncurrentVersions': 101}}),
                      ('MalformedXML', {**rule, 'Filter': {'Prefix': 'a', 'Tag': {'Key': 'a', 'Value': 'b'}}}),
                      ('InvalidRequest', {**rule, 'Filter': {'And': {'ObjectSizeGreaterThan': 500, 'ObjectSizeLessThan': 100}}}),
                      ('InvalidRequest', {**abort, 'Filter': {'Tag': {'Key': 'a', 'Value': 'b'}}}),
                      ('InvalidTag', {**rule, 'Filter': {'And': {'Tags': [{'Key': 'a', 'Value': 'b'}, {'Key': 'a', 'Value': 'c'}]}}})]:
        refused(code, 400, main.put_bucket_lifecycle_configuration, Bucket=name, LifecycleConfiguration={'Rules': [one]})
    site = lambda redirect, **condition: {'IndexDocument': {'Suffix': 'i'}, 'RoutingRules': [{**condition, 'Redirect': redirect}]}
    for code, one in [('InvalidRequest', {'RedirectAllRequestsTo': {'HostName': 'x', 'Protocol': 'ftp'}}),
                      ('MalformedXML', {'RedirectAllRequestsTo': {'HostName': 'x'}, 'IndexDocument': {'Suffix': 'i'}}),
                      ('InvalidRequest', site({'ReplaceKeyPrefixWith': 'a', 'ReplaceKeyWith': 'b'})),
                      ('InvalidRequest', site({'HttpRedirectCode': '200', 'HostName': 'a'})),
                      ('InvalidRequest', site({'HostName': 'a'}, Condition={'HttpErrorCodeReturnedEquals': '200'})),
                      ('MalformedXML', site({}))]:
        refused(code, 400, main.put_bucket_website, Bucket=name, WebsiteConfiguration=one)


def delete_list(name, inside, fields=None):
    body = f'<Delete>{inside}</Delete>'.encode()
    summed = {'Content-MD5': base64.b64encode(hashlib.md5(body).digest()).decode()}
    return signed('POST', f'/{name}?delete', summed if fields is None else fields, body)


@check
def documents_with_more_in_them():
    name = bucket()
    put(name, 'k')
    wanted = '<Object><Key>k</Key></Object>'
    for inside in ['<Object><Key>k</Key><Key>l</Key></Object>', '<Object><Key>k</Key><Foo/></Object>', f'{wanted}<Foo/>', f'<Quiet>maybe</Quiet>{wanted}',
                   f'text{wanted}', '<Object><VersionId>1</VersionId></Object>', '']:
        status, text = delete_list(name, inside)
        assert (status, b'<Code>MalformedXML<' in text) == (400, True), (inside, text)
    for code, fields in [(b'InvalidRequest', {}), (b'BadDigest', {'Content-MD5': base64.b64encode(bytes(16)).decode()}), (b'InvalidDigest', {'Content-MD5': 'x'})]:
        status, text = delete_list(name, wanted, fields)
        assert (status, code in text) == (400, True), text
    summed = {'x-amz-checksum-crc32': base64.b64encode(zlib.crc32(f'<Delete>{wanted}</Delete>'.encode()).to_bytes(4, 'big')).decode()}
    assert main.get_object(Bucket=name, Key='k')['Body'].read() == b'k'
    assert delete_list(name, wanted, summed)[0] == 200
    refused('NoSuchKey', 404, main.get_object, Bucket=name, Key='k')
    put(name, 'k')
    main.put_object_tagging(Bucket=name, Key='k', Tagging={'TagSet': [{'Key': 'a', 'Value': 'b'}]})
    tag = '<Tag><Key>c</Key><Value>d</Value></Tag>'
    for inside in ['<TagSet><Foo/></TagSet>', f'<TagSet>{tag}</TagSet><TagSet/>', f'<TagSet>{tag}</TagSet><Foo/>', '<TagSet><Tag><Key>c</Key><Value>d</Value><Foo/></Tag></TagSet>']:
        status, text = signed('PUT', f'/{name}/k?tagging', body=f'<Tagging>{inside}</Tagging>'.encode())
        assert (status, b'<Code>MalformedXML<' in text) == (400, True), (inside, text)
    assert main.get_object_tagging(Bucket=name, Key='k')['TagSet'] == [{'Key': 'a', 'Value': 'b'}]
    rule = lambda inside, tests: f'<Rule><Status>Enabled</Status><Filter>{tests}</Filter>{inside}</Rule>'
    expires = '<Expiration><Days>1</Days></Expiration>'
    for query, inside in [('lifecycle', rule(expires, '<Foo>a</Foo>')), ('lifecycle', rule(expires, '<And><Prefix>a</Prefix><Foo>a</Foo></And>')),
                          ('lifecycle', rule(expires, '<And><Prefix>a</Prefix><Prefix>b</Prefix></And>')), ('lifecycle', rule(expires + '<Foo/>', '')),
                          ('lifecycle', rule(expires * 2, '')), ('lifecycle', rule('<Expiration><Days>1</Days><Foo/></Expiration>', '')),
                          ('lifecycle', rule(expires, '') + '<Foo/>'), ('publicAccessBlock', '<BlockPublicAcl>true</BlockPublicAcl>')]:
        root = {'lifecycle': 'LifecycleConfiguration', 'publicAccessBlock': 'PublicAccessBlockConfiguration'}[query]
        status, text = signed('PUT', f'/{name}?{query}', body=f'<{root}>{inside}</{root}>'.encode())
        assert (status, b'<Code>MalformedXML<' in text) == (400, True), (inside, text)
    started = main.create_multipart_upload(Bucket=name, Key='m')['UploadId']
    tag = main.upload_part(Bucket=name, Key='m', UploadId=started, PartNumber=1, Body=b'x')['ETag']
    part = f'<PartNumber>1</PartNumber><ETag>{tag}</ETag>'
    for inside in [f'<Part>{part}<Foo/></Part>', f'<Part>{part}</Part><Foo/>', f'<Part>{part}<ETag>{tag}</ETag></Part>']:
        status, text = signed('POST', f'/{name}/m?uploadId={started}', body=f'<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>'.encode())
        assert (status, b'<Code>MalformedXML<' in text) == (400, True), (inside, text)
    status, text = signed('PUT', f'/{name}/m?partNumber=1', body=b'x')
    assert (status, b'<Code>InvalidArgument<' in text) == (400, True), text
    refused('404', 404, main.head_object, Bucket=name, Key='m')


@check
def settings_with_more_in_them():
    name = bucket(ObjectLockEnabledForBucket=True)
    version = main.put_object(Bucket=name, Key='k', Body=b'x')['VersionId']
    documents = [
        ('?versioning', '<VersioningConfiguration{0}><Status>Enabled</Status>{1}</VersioningConfiguration>'),
        ('?cors', '<CORSConfiguration{0}><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>{1}</CORSRule></CORSConfiguration>'),
        ('?cors', '<CORSConfiguration{0}><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>{1}</CORSConfiguration>'),
        ('?requestPayment', '<RequestPaymentConfiguration{0}><Payer>BucketOwner</Payer>{1}</RequestPaymentConfiguration>'),
        ('?ownershipControls', '<OwnershipControls{0}><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership>{1}</Rule></OwnershipControls>'),
        ('?encryption', '<ServerSideEncryptionConfiguration{0}><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>{1}'
                        '</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>'),
        ('?object-lock', '<ObjectLockConfiguration{0}><ObjectLockEnabled>Enabled</ObjectLockEnabled>{1}</ObjectLockConfiguration>'),
        ('?website', '<WebsiteConfiguration{0}><IndexDocument><Suffix>i</Suffix></IndexDocument>{1}</WebsiteConfiguration>'),
        ('?website', '<WebsiteConfiguration{0}><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule><Redirect><HostName>a</HostName>{1}'
                     '</Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>'),
        ('/k?legal-hold', '<LegalHold{0}><Status>OFF</Status>{1}</LegalHold>'),
        ('/k?tagging', '<Tagging{0}><TagSet>{1}</TagSet></Tagging>'),
    ]
    def answer(path, document):
        return signed('PUT', f'/{name}{path}', {'Content-MD5': base64.b64encode(hashlib.md5(document.encode()).digest()).decode()}, document.encode())
    for path, document in documents:
        for namespace in ['', ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', ' xmlns="http://doc.s3.amazonaws.com/2006-03-01"']:
            status, text = answer(path, document.format(namespace, ''))
            assert status == 200, (path, namespace, text)
        for namespace, more in [('', '<Foo/>'), (' xmlns="http://elsewhere/"', ''), ('', '<a:ID xmlns:a="http://elsewhere/">x</a:ID>')]:
            status, text = answer(path, document.format(namespace, more))
            assert (status, b'<Code>MalformedXML<' in text) == (400, True), (path, namespace, more, text)
    for method in ['GET', 'DELETE']:
        status, text = signed(method, f'/{name}/k?versionId=nope')
        assert (status, b'Invalid version id specified' in text) == (400, True), (method, text)
        refused('InvalidArgument', 400, main.copy_object, Bucket=name, Key='c', CopySource=f'{name}/k?versionId=nope')
    assert signed('DELETE', f'/{name}/k?versionId={version[::-1]}')[0] == 204
    assert main.get_object(Bucket=name, Key='k')['Body'].read() == b'x'


@check
def requester_pays():
    name = bucket()
    put(name, 'k')
    statement = {'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': f'arn:aws:s3:::{name}/*'}
    main.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [statement]}))
    main.put_bucket_request_payment(Bucket=name, RequestPaymentConfiguration={'Payer': 'Requester'})
    main.get_object(Bucket=name, Key='k')
    refused('AccessDenied', 403, alt.get_object, Bucket=name, Key='k')
    assert alt.get_object(Bucket=name, Key='k', RequestPayer='requester')['RequestCharged'] == 'requester'
    refused('AccessDenied', 403, nobody.get_object, Bucket=name, Key='k', RequestPayer='requester')
    assert signed('GET', '/', {'x-amz-request-payer': 'requester'})[0] == 200
    assert signed('GET', f'/{name}/k?session=1', {})[0] == 200
    main.put_bucket_request_payment(Bucket=name, RequestPaymentConfiguration={'Payer': 'BucketOwner'})
    assert 'RequestCharged' not in alt.get_object(Bucket=name, Key='k', RequestPayer='requester')


@check
def logging():
    name, target = bucket(), bucket()
    log = lambda **more: main.put_bucket_logging(Bucket=name, BucketLoggingStatus={'LoggingEnabled': {'TargetBucket': target, 'TargetPrefix': 'x/', **more}})
    for bad in [f'{target}-none', bucket(alt), target]:
        refused('InvalidTargetBucketForLogging', 400, log, TargetBucket=bad)
    assert signed('PUT', f'/{name}?logging', body=f'<BucketLoggingStatus><LoggingEnabled><TargetBucket>{target}</TargetBucket></LoggingEnabled></BucketLoggingStatus>'.encode())[0] == 400
    service = {'Effect': 'Allow', 'Principal': {'Service': 'logging.s3.amazonaws.com'}, 'Action': 's3:PutObject', 'Resource': f'arn:aws:s3:::{target}/x/*',
               'Condition': {'ArnLike': {'aws:SourceArn': f'arn:aws:s3:::{name}'}, 'StringEquals': {'aws:SourceAccount': MAIN}}}
    main.put_bucket_policy(Bucket=target, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [service]}))
    assert main.get_bucket_policy_status(Bucket=target)['PolicyStatus']['IsPublic'] is False
    refused('InvalidTargetBucketForLogging', 400, log, TargetPrefix='elsewhere/')
    refused('AccessDenied', 403, alt.put_bucket_logging, Bucket=name, BucketLoggingStatus={})
    log(TargetGrants=[{'Grantee': {'Type': 'CanonicalUser', 'ID': ALT}, 'Permission': 'READ'}])
    got = main.get_bucket_logging(Bucket=name)['LoggingEnabled']
    assert (got['TargetBucket'], got['TargetPrefix'], got['TargetGrants'][0]['Grantee']['ID'], got['TargetGrants'][0]['Permission']) == (target, 'x/', ALT, 'READ'), got
    main.put_bucket_logging(Bucket=name, BucketLoggingStatus={})
    assert 'LoggingEnabled' not in main.get_bucket_logging(Bucket=name)
    main.delete_bucket_policy(Bucket=target)
    main.put_bucket_acl(Bucket=target, ACL='log-delivery-write')
    log(TargetPrefix='')


# --- encryption

def customer(letter, prefix=''):
    return {f'{prefix}SSECustomerAlgorithm': 'AES256', f'{prefix}SSECustomerKey': letter * 32}


@check
def customer_keys():
    name, a, b = bucket(), customer('a'), customer('b')
    data = bytes(range(256)) * 40
    put = main.put_object(Bucket=name, Key='k', Body=data, **a)
    assert put['SSECustomerKeyMD5'] and put['ETag'] != '"%s"' % hashlib.md5(data).hexdigest()
    assert main.get_object(Bucket=name, Key='k', Range='bytes=77-9001', **a)['Body'].read() == data[77:9002]
    refused('InvalidRequest', 400, main.get_object, Bucket=name, Key='k')
    refused('InvalidRequest', 400, main.get_object, Bucket=name, Key='k', **b)
    refused(None, 400, main.head_object, Bucket=name, Key='k', **b)
    refused('InvalidRequest', 400, main.copy_object, Bucket=name, Key='c', CopySource=f'{name}/k')
    md5 = base64.b64encode(bytes(16)).decode()
    refused('InvalidArgument', 400, main.put_object, Bucket=name, Key='k', Body=b'', SSECustomerKeyMD5=md5, **a)
    refused('InvalidArgument', 400, main.put_object, Bucket=name, Key='k', Body=b'', SSECustomerAlgorithm='AES256', SSECustomerKey='short')
    refused('InvalidArgument', 400, main.put_object, Bucket=name, Key='k', Body=b'', ServerSideEncryption='AES256', **a)
    refused('InvalidEncryptionAlgorithmError', 400, main.put_object, Bucket=name, Key='k', Body=b'', **{**a, 'SSECustomerAlgorithm': 'AES192'})
    main.copy_object(Bucket=name, Key='c', CopySource=f'{name}/k', **b, **customer('a', 'CopySource'))
    assert main.get_object(Bucket=name, Key='c', **b)['Body'].read() == data
    started = {'Bucket': name, 'Key': 'parts', 'UploadId': main.create_multipart_upload(Bucket=name, Key='parts', **a)['UploadId']}
    summed = main.upload_part(**started, PartNumber=1, Body=b'x', ChecksumAlgorithm='CRC32', **a)
    ended = {**started, 'MultipartUpload': {'Parts': [{'PartNumber': 1, 'ETag': summed['ETag']}]}}
    refused('InvalidArgument', 400, main.complete_multipart_upload, **ended)
    main.abort_multipart_upload(**started)
    main.copy_object(Bucket=name, Key='plain', CopySource=f'{name}/k', **customer('a', 'CopySource'))
    assert main.get_object(Bucket=name, Key='plain')['Body'].read() == data
    refused('InvalidRequest', 400, main.get_object, Bucket=name, Key='plain', **a)
    id = main.create_multipart_upload(Bucket=name, Key='m', **a)['UploadId']
    first = bytes(5 * 2 ** 20 + 3)
    where = {'Bucket': name, 'Key': 'm', 'UploadId': id}
    refused('InvalidRequest', 400, main.upload_part, PartNumber=1, Body=b'', **where)
    refused('InvalidRequest', 400, main.upload_part, PartNumber=1, Body=b'', **where, **b)
    one = main.upload_part(PartNumber=1, Body=first, **where, **a)['ETag']
    two = main.upload_part_copy(PartNumber=2, CopySource=f'{name}/c', **where, **a, **customer('b', 'CopySource'))['CopyPartResult']['ETag']
    # Newer ones sum each part, and then the end needs the key.
    main.complete_multipart_upload(**where, **(a if boto3.__version__ >= '1.36' else {}), MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': one}, {'PartNumber': 2, 'ETag': two}]})
    middle = main.get_object(Bucket=name, Key='m', Range=f'bytes={len(first) - 5}-{len(first) + 20}', **a)['Body'].read()
    assert middle == first[-5:] + data[:21]


@check
def cluster_keys():
    name = bucket()
    refused('ServerSideEncryptionConfigurationNotFoundError', 404, main.get_bucket_encryption, Bucket=name)
    data = b'secret' * 1000
    put = main.put_object(Bucket=name, Key='k', Body=data, ServerSideEncryption='AES256')
    assert put['ServerSideEncryption'] == 'AES256' and put['ETag'] == '"%s"' % hashlib.md5(data).hexdigest()
    refused('InvalidArgument', 400, main.put_object, Bucket=name, Key='x', Body=b'', ServerSideEncryption='AES256', SSEKMSKeyId='mine')
    main.put_object(Bucket=name, Key='named', Body=data, ServerSideEncryption='aws:kms', SSEKMSKeyId='mine')
    named = main.get_object(Bucket=name, Key='named')
    assert (named['ServerSideEncryption'], named['SSEKMSKeyId'], named['Body'].read()) == ('aws:kms', 'mine', data)
    rule = {'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'AES256'}}
    for broken in ([], [rule, rule]):
        refused('MalformedXML', 400, main.put_bucket_encryption, Bucket=name, ServerSideEncryptionConfiguration={'Rules': broken})
    main.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={'Rules': [rule]})
    assert main.get_bucket_encryption(Bucket=name)['ServerSideEncryptionConfiguration']['Rules'] == [{**rule, 'BucketKeyEnabled': False}]
    assert main.put_object(Bucket=name, Key='usual', Body=b'small')['ServerSideEncryption'] == 'AES256'
    assert main.copy_object(Bucket=name, Key='copy', CopySource=f'{name}/named')['ServerSideEncryption'] == 'AES256'
    main.delete_bucket_encryption(Bucket=name)
    assert main.get_object(Bucket=name, Key='usual')['Body'].read() == b'small'
    assert main.get_object(Bucket=name, Key='copy')['Body'].read() == data


@check
def object_locks():
    name = bucket(ObjectLockEnabledForBucket=True)
    assert main.get_bucket_versioning(Bucket=name)['Status'] == 'Enabled'
    assert main.get_object_lock_configuration(Bucket=name)['ObjectLockConfiguration'] == {'ObjectLockEnabled': 'Enabled'}
    config = {'ObjectLockEnabled': 'Enabled', 'Rule': {'DefaultRetention': {'Mode': 'GOVERNANCE', 'Days': 1}}}
    main.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=config)
    assert main.get_object_lock_configuration(Bucket=name)['ObjectLockConfiguration'] == config
    refused('InvalidBucketState', 409, main.put_bucket_versioning, Bucket=name, VersioningConfiguration={'Status': 'Suspended'})
    version = main.put_object(Bucket=name, Key='k', Body=b'x')['VersionId']
    assert main.head_object(Bucket=name, Key='k')['ObjectLockMode'] == 'GOVERNANCE'
    refused('AccessDenied', 403, main.delete_object, Bucket=name, Key='k', VersionId=version)
    until = datetime.datetime(2140, 1, 1, tzinfo=datetime.timezone.utc)
    main.put_object_retention(Bucket=name, Key='k', Retention={'Mode': 'GOVERNANCE', 'RetainUntilDate': until})
    assert main.get_object_retention(Bucket=name, Key='k')['Retention'] == {'Mode': 'GOVERNANCE', 'RetainUntilDate': until}
    early = datetime.datetime(2130, 1, 1, tzinfo=datetime.timezone.utc)
    refused('AccessDenied', 403, main.put_object_retention, Bucket=name, Key='k', Retention={'Mode': 'GOVERNANCE', 'RetainUntilDate': early})
    main.put_object_retention(Bucket=name, Key='k', Retention={'Mode': 'GOVERNANCE', 'RetainUntilDate': early}, BypassGovernanceRetention=True)
    main.put_object_legal_hold(Bucket=name, Key='k', LegalHold={'Status': 'ON'})
    assert main.get_object_legal_hold(Bucket=name, Key='k')['LegalHold']['Status'] == 'ON'
    refused('AccessDenied', 403, main.delete_object, Bucket=name, Key='k', VersionId=version, BypassGovernanceRetention=True)
    main.put_object_legal_hold(Bucket=name, Key='k', LegalHold={'Status': 'OFF'})
    main.delete_object(Bucket=name, Key='k', VersionId=version, BypassGovernanceRetention=True)
    plain = bucket()
    put(plain, 'k')
    refused('ObjectLockConfigurationNotFoundError', 404, main.get_object_lock_configuration, Bucket=plain)
    refused('InvalidBucketState', 409, main.put_object_lock_configuration, Bucket=plain, ObjectLockConfiguration=config)
    held = main.put_object(Bucket=name, Key='held', Body=b'x', ObjectLockLegalHoldStatus='ON')['VersionId']
    main.copy_object(Bucket=plain, Key='free', CopySource=f'{name}/held')
    assert 'ObjectLockLegalHoldStatus' not in main.head_object(Bucket=plain, Key='free')
    copy = main.head_object(Bucket=name, Key='copy', VersionId=main.copy_object(Bucket=name, Key='copy', CopySource=f'{name}/held')['VersionId'])
    assert copy['ObjectLockMode'] == 'GOVERNANCE' and 'ObjectLockLegalHoldStatus' not in copy
    main.delete_object(Bucket=plain, Key='free')
    gone = main.delete_objects(Bucket=name, Delete={'Objects': [{'Key': 'held', 'VersionId': held}]}, BypassGovernanceRetention=True)
    assert gone['Errors'][0]['Code'] == 'AccessDenied', gone
    holds = {'Effect': 'Deny', 'Principal': '*', 'Action': 's3:PutObjectLegalHold', 'Resource': f'arn:aws:s3:::{name}/*'}
    main.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [holds]}))
    refused('AccessDenied', 403, main.put_object, Bucket=name, Key='h', Body=b'', ObjectLockLegalHoldStatus='ON')
    releases = {**holds, 'Condition': {'StringEquals': {'s3:object-lock-legal-hold': 'OFF'}}}
    main.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [releases]}))
    held = main.put_object(Bucket=name, Key='h', Body=b'')['VersionId']
    main.put_object_legal_hold(Bucket=name, Key='h', VersionId=held, LegalHold={'Status': 'ON'})
    refused('AccessDenied', 403, main.put_object_legal_hold, Bucket=name, Key='h', VersionId=held, LegalHold={'Status': 'OFF'})
    main.delete_bucket_policy(Bucket=name)
    main.put_object_legal_hold(Bucket=name, Key='h', VersionId=held, LegalHold={'Status': 'OFF'})
    forever = {'Effect': 'Deny', 'Principal': '*', 'Action': 's3:PutObjectRetention', 'Resource': f'arn:aws:s3:::{name}/*',
               'Condition': {'NumericGreaterThan': {'s3:object-lock-remaining-retention-days': '10'}}}
    reads = {'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObjectRetention', 'Resource': f'arn:aws:s3:::{name}/*'}
    version = main.put_object(Bucket=name, Key='p', Body=b'x')['VersionId']
    main.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [forever, reads]}))
    refused('AccessDenied', 403, main.put_object_retention, Bucket=name, Key='p', Retention={'Mode': 'GOVERNANCE', 'RetainUntilDate': until})
    assert alt.get_object_retention(Bucket=name, Key='p', VersionId=version)['Retention']['Mode'] == 'GOVERNANCE'
    refused('InvalidRequest', 400, main.put_object_retention, Bucket=plain, Key='k', Retention={'Mode': 'GOVERNANCE', 'RetainUntilDate': until})


# --- forms

def form(name, fields, file=b'bar'):
    boundary = 'b0undary'
    lines = []
    for key, value in fields:
        lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode())
    lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\nContent-Type: text/plain\r\n\r\n'.encode() + file + b'\r\n')
    lines.append(f'--{boundary}--\r\n'.encode())
    return raw('POST', f'/{name}', {'Content-Type': f'multipart/form-data; boundary={boundary}'}, b''.join(lines))


@check
def forms():
    name = bucket()
    post = main.generate_presigned_post(name, 'foo-${filename}', Fields={'acl': 'public-read', 'success_action_status': '201'},
                                        Conditions=[{'acl': 'public-read'}, {'success_action_status': '201'}, ['content-length-range', 2, 10]])
    status, fields, text = form(name, post['fields'].items())
    assert status == 201 and b'<Key>foo-f.txt</Key>' in text, (status, text)
    assert nobody.get_object(Bucket=name, Key='foo-f.txt')['Body'].read() == b'bar'
    assert b'EntityTooLarge' in form(name, post['fields'].items(), b'x' * 11)[2]
    assert b'EntityTooSmall' in form(name, post['fields'].items(), b'x')[2]
    assert form(name, [*post['fields'].items(), ('x-amz-meta-a', 'b')])[0] == 403
    assert form(name, [(key, 'public-read-write' if key == 'acl' else value) for key, value in post['fields'].items()])[0] == 403
    assert form(name, [('key', 'anon')])[0] == 403
    main.put_bucket_acl(Bucket=name, ACL='public-read-write')
    assert form(name, [('key', 'anon'), ('Content-Type', 'text/plain')])[0] == 204
    expires = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=100)).strftime('%Y-%m-%dT%H:%M:%SZ')
    policy = base64.b64encode(json.dumps({'expiration': expires, 'conditions': [{'bucket': name}, ['starts-with', '$key', 'foo'], ['starts-with', '$success_action_redirect', '']]}).encode())
    signature = base64.b64encode(hmac.new(KEYS[0][1].encode(), policy, hashlib.sha1).digest()).decode()
    v2 = [('key', 'foo v2'), ('AWSAccessKeyId', KEYS[0][0]), ('signature', signature), ('policy', policy.decode()), ('success_action_redirect', 'http://localhost/x?a=b')]
    status, fields, _ = form(name, v2)
    assert status == 303 and fields['location'].startswith('http://localhost/x?a=b&bucket='), fields
    assert b'BadDigest' in form(name, [('key', 'sum'), ('x-amz-checksum-sha256', base64.b64encode(bytes(32)).decode())])[2]
    summed = base64.b64encode(hashlib.sha256(b'bar').digest()).decode()
    tagging = '<Tagging><TagSet><Tag><Key>a b</Key><Value>c+d</Value></Tag></TagSet></Tagging>'
    status, fields, _ = form(name, [('key', 'sum'), ('tagging', tagging), ('x-amz-checksum-sha256', summed)])
    assert (status, fields['x-amz-checksum-sha256']) == (204, summed), fields
    assert main.get_object_tagging(Bucket=name, Key='sum')['TagSet'] == [{'Key': 'a b', 'Value': 'c+d'}]
    assert form(name, [(key, 'bad' if key == 'key' else value) for key, value in v2])[0] == 403
    # In a policy, a dollar sign may be escaped, which no other JSON allows.
    policy = base64.b64encode(json.dumps({'expiration': expires, 'conditions': [{'bucket': name}, {'key': 'a$b'}]}).replace('a$b', 'a\\$b').encode())
    signature = base64.b64encode(hmac.new(KEYS[0][1].encode(), policy, hashlib.sha1).digest()).decode()
    v2 = [('key', 'a$b'), ('AWSAccessKeyId', KEYS[0][0]), ('signature', signature), ('policy', policy.decode())]
    assert form(name, v2)[0] == 204
    assert b'InvalidToken' in form(name, [('x-amz-security-token', 'wrong'), *v2])[2]
    assert form(name, [('key', 'x'), ('AWSAccessKeyId', KEYS[0][0]), ('policy', policy.decode())])[0] == 400


failed = 0
ran = 0
for one in CHECKS:
    if ONLY and one.__name__ not in ONLY:
        continue
    ran += 1
    try:
        one()
    except Exception as error:  # each check stands for itself
        failed += 1
        where = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in where if frame.filename == __file__]
        print(f'{one.__name__}:{lines}: {type(error).__name__}: {str(error)[:400]}')
print(f'{ran - failed} passed, {failed} failed (boto3 {boto3.__version__})')
sys.exit(1 if failed else 0)
