import pytest
from django.core.management import call_command


@pytest.fixture
def run(capsys):
    """Return run(file, *options), which runs import_items and returns (exit status, stdout, stderr)."""

    def run(file, *options):
        status = 0
        try:
            call_command("import_items", str(file), *options)
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def marc_file(tmp_path):
    def write(*records):
        file = tmp_path / "records.mrc"
        file.write_bytes(
            b"".join(record if isinstance(record, bytes) else record.as_marc() for record in records)
        )
        return file

    return write
