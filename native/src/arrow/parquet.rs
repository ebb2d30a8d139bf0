//! Rows in, a Parquet file out, for tools that don't read Arrow: Zstandard, the same columns, the schema's metadata with it.

use std::path::Path;

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::write::write_whole;
use crate::corpus::open::Fingerprint;
use crate::error::{Error, Result};

/// Tokens of a row group: what a reader has to hold at once.
const GROUP: usize = 1 << 22;

/// Writes a Parquet file; `rows` must have lists as their first column, as all shards do.
pub fn write_parquet(path: &Path, rows: &RecordBatch) -> Result<Fingerprint> {
    let failed = |error: ParquetError| match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => Error::io(path, *error),
            Err(error) => Error::internal(format!("{}: {error}", path.display())),
        },
        other => Error::internal(format!("{}: {other}", path.display())),
    };
    let tokens = rows.columns().first().map_or(0, |ids| ids.get_array_memory_size() / 2);
    let group = (rows.num_rows() as f64 / tokens.max(1) as f64 * GROUP as f64) as usize;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(group.max(1)))
        .build();
    write_whole(path, |sink| {
        let mut writer = ArrowWriter::try_new(sink, rows.schema(), Some(properties)).map_err(failed)?;
        writer.write(rows).map_err(failed)?;
        writer.into_inner().map_err(failed)
    })
}

#[cfg(test)]
mod tests {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::arrow::read::Mapped;
    use crate::dataset::columns::{Ids, int_list, ints};

    #[test]
    fn comes_back_as_it_was() {
        let mut ids = Ids::with_capacity(true, 40);
        ids.extend(&(0..40).collect::<Vec<u32>>());
        let columns = [
            ids.fixed("input_ids", 8).unwrap(),
            int_list("lengths", vec![3, 5, 8, 1, 7, 8], &[2, 3, 5, 5, 6]).unwrap(),
            ints("class", vec![1, 0, 1, 1, 0]),
        ];
        let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let rows = RecordBatch::try_new(std::sync::Arc::new(arrow_schema::Schema::new(fields)), arrays).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.parquet");
        let print = write_parquet(&path, &rows).unwrap();
        Mapped::open(&path).unwrap().verify(print.bytes, &print.sha256).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap()).unwrap();
        let found: Vec<RecordBatch> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
        assert_eq!(found, [rows]);
    }
}
