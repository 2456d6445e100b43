"""boto3_download.py URL BUCKET PREFIX FOLDER: downloads an S3 prefix with the AWS CLI's transfer library."""

import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig

url, bucket, prefix, folder = sys.argv[1:]
client = boto3.client("s3", endpoint_url=url)
config = TransferConfig(max_concurrency=16)
for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
    for item in page.get("Contents", []):
        client.download_file(bucket, item["Key"], os.path.join(folder, item["Key"][len(prefix) :]), Config=config)
