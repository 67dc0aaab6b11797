"""What a client relies on, asked by boto3: parts, ranges, pages, copies, many deletes, and a put that
must not overwrite. Argument: the endpoint."""

import sys

import boto3
from botocore.exceptions import ClientError

s3 = boto3.client("s3", endpoint_url=sys.argv[1])
own = {"Bucket": "backups"}
PART = 5 << 20


def code(call, **arguments):
    """S3's code of the error that a call ends with."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["backups"]

for number in range(25):
    s3.put_object(**own, Key=f"many/{number:02}", Body=b"x" * number)
pages = s3.get_paginator("list_objects_v2").paginate(
    **own, Prefix="many/", PaginationConfig={"PageSize": 10}
)
assert [len(page["Contents"]) for page in pages] == [10, 10, 5]
part = s3.get_object(**own, Key="many/10", Range="bytes=2-4")
assert part["Body"].read() == b"xxx" and part["ContentRange"] == "bytes 2-4/10"

parts = []
upload = s3.create_multipart_upload(**own, Key="parts")["UploadId"]
for number in (1, 2):
    part = {**own, "Key": "parts", "UploadId": upload, "PartNumber": number}
    tag = s3.upload_part(**part, Body=bytes([number]) * PART)["ETag"]
    parts.append({"ETag": tag, "PartNumber": number})
s3.complete_multipart_upload(
    **own, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts}
)
assert s3.head_object(**own, Key="parts")["ContentLength"] == 2 * PART
s3.copy_object(**own, Key="copy", CopySource={**own, "Key": "parts"})
assert s3.get_object(**own, Key="copy")["Body"].read() == b"\1" * PART + b"\2" * PART

aborted = s3.create_multipart_upload(**own, Key="aborted")["UploadId"]
s3.upload_part(**own, Key="aborted", UploadId=aborted, PartNumber=1, Body=b"1")
s3.abort_multipart_upload(**own, Key="aborted", UploadId=aborted)
assert code(s3.head_object, **own, Key="aborted") == "404"

# Also for a library that does not know it yet.
once = s3.meta.events
once.register(
    "before-call.s3.PutObject",
    lambda params, **_: params["headers"].update({"If-None-Match": "*"}),
)
assert code(s3.put_object, **own, Key="many/10", Body=b"other") == "PreconditionFailed"
refused = code(s3.put_object, **own, Key="new", Body=b"new")
assert refused is None, refused

everything = [{"Key": f"many/{number:02}"} for number in range(25)]
s3.delete_objects(**own, Delete={"Objects": everything})
assert s3.list_objects_v2(**own, Prefix="many/")["KeyCount"] == 0
assert code(s3.get_object, **own, Key="many/10") == "NoSuchKey"
assert code(s3.get_object, Bucket="another", Key="new") in ("NoSuchBucket", "NoSuchKey")
