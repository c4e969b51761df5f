"""Writes shared/parquet/testdata/types.parquet and nested.parquet with pyarrow,
an independent writer, holding every flat type that the reader takes.

    python scripts/golden/parquet_types.py    (pyarrow 26.0.1)
"""
import datetime as dt
import decimal

import pyarrow as pa
import pyarrow.parquet as pq

out = "shared/parquet/testdata/"
utc = dt.timezone.utc
columns = {
    "i8": pa.array([-1, None, 7], pa.int8()),
    "u32": pa.array([4294967295, None, 1], pa.uint32()),
    "u64": pa.array([18446744073709551615, None, 1], pa.uint64()),
    "i64": pa.array([9007199254740993, None, -1], pa.int64()),
    "f32": pa.array([0.1, None, float("nan")], pa.float32()),
    "f64": pa.array([0.1, None, 1e300], pa.float64()),
    "bool": pa.array([True, None, False]),
    "text": pa.array(["a,b", None, "é"]),
    "dictionary": pa.array(["x", None, "x"]).dictionary_encode(),
    "date": pa.array([dt.date(2024, 2, 29), None, dt.date(1969, 12, 31)]),
    "time_ms": pa.array([dt.time(1, 2, 3), None, dt.time(23, 59, 59)], pa.time32("ms")),
    "time_us": pa.array([dt.time(1, 2, 3, 4), None, dt.time(0)], pa.time64("us")),
    "stamp_ms": pa.array([dt.datetime(2024, 2, 29, 12, tzinfo=utc), None, dt.datetime(1969, 12, 31, 23, tzinfo=utc)], pa.timestamp("ms", "UTC")),
    "stamp_us": pa.array([dt.datetime(2024, 2, 29, 12, 0, 0, 5), None, dt.datetime(1970, 1, 1)], pa.timestamp("us")),
    "stamp_ns": pa.array([1, None, -1], pa.timestamp("ns")),
    "dec": pa.array([decimal.Decimal("-0.05"), None, decimal.Decimal("123.40")], pa.decimal128(10, 2)),
    "dec_wide": pa.array([decimal.Decimal("-12345678901234567890.5"), None, decimal.Decimal("0.1")], pa.decimal128(38, 1)),
}
pq.write_table(pa.table(columns), out + "types.parquet", compression="zstd")
pq.write_table(pa.table({"id": [1], "tags": [["a", "b"]]}), out + "nested.parquet")
