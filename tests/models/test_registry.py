import errno

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from penstock.errors import ModelRefusedError, RegistryUnavailableError
from penstock.models.registry import ModelVersion, Registry, model_metadata

SIGNATURE = """flavors: {}
signature:
  inputs: '[{"type": "double", "name": "x"}]'
  outputs: '[{"type": "double"}]'
"""


def test_an_mlmodel_file_is_read(tmp_path):
    (tmp_path / "MLmodel").write_text(SIGNATURE + "metadata: {fleet: 1}\n")
    model = model_metadata(tmp_path)
    assert [column.name for column in model.signature.inputs] == ["x"]
    assert model.metadata == {"fleet": 1}


def test_a_folder_without_one_is_no_model(tmp_path):
    said = f"{tmp_path} has no MLmodel file that can be read: MlflowException: No such artifact.*log and register"
    with pytest.raises(ModelRefusedError, match=said):
        model_metadata(tmp_path)


def test_nor_is_one_with_a_folder_of_that_name(tmp_path):
    (tmp_path / "MLmodel").mkdir()
    with pytest.raises(ModelRefusedError, match="IsADirectoryError"):
        model_metadata(tmp_path)


def test_a_disk_that_fails_says_nothing_about_the_model(tmp_path, monkeypatch):
    def fail(path):
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr("penstock.models.registry.Model.load", fail)
    with pytest.raises(OSError, match="Input/output error"):
        model_metadata(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "AttributeError"),
        (b"- a list", "TypeError"),
        (b"flavors: [", "ParserError: while parsing a flow node"),
        (b"flavors: !!python/object:os.system {}", "ConstructorError"),
        (b"flavors: \xe9", "UnicodeDecodeError"),
        (b"[" * 5000, "RecursionError"),
        (b"3: flavors", "TypeError"),
        (b"flavors: [a]", "TypeError: flavors is no mapping"),
        (b"flavors: {python_function: }", "TypeError: flavors is no mapping"),
        (b"signature: text", "TypeError: signature is no mapping"),
        (b"signature: {}", "ValueError: At least one of inputs"),
        (b"signature: {inputs: '[{'}", "JSONDecodeError"),
        (b'signature: {inputs: \'[{"name": "x"}]\'}', "KeyError: 'type'"),
        (b'signature: {inputs: \'[{"name": "x", "type": "vector"}]\'}', "MlflowException: Unsupported type"),
        (b"metadata: text", "TypeError: metadata is no mapping"),
    ],
)
def test_what_is_no_mlmodel_file_is_refused_with_the_reason(tmp_path, content, reason):
    (tmp_path / "MLmodel").write_bytes(content)
    with pytest.raises(ModelRefusedError, match=f"no MLmodel file that can be read: {reason}"):
        model_metadata(tmp_path)


def answered(code):
    return ClientError({"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "List")


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (EndpointConnectionError(endpoint_url="http://s3"), RegistryUnavailableError),
        (NoCredentialsError(), RegistryUnavailableError),
        (answered("ServiceUnavailable"), RegistryUnavailableError),
        (answered("AccessDenied"), RegistryUnavailableError),
        (answered("NoSuchKey"), ModelRefusedError),
        (answered("NoSuchBucket"), ModelRefusedError),
    ],
)
def test_what_the_sdk_of_the_artifacts_store_raises_is_told(tmp_path, monkeypatch, raised, error):
    """MLflow lists a model's files on S3 with boto3, and lets its errors through."""

    def fail(**_):
        raise raised

    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path))
    monkeypatch.setattr("mlflow.artifacts.download_artifacts", fail)
    version = ModelVersion(name="wine", version="1", source="s3://bucket/model", created_milliseconds=0)
    with pytest.raises(error):
        Registry(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db").local_copy(version)
