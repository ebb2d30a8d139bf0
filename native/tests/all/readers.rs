//! Input files that are cut short, or in which bits are flipped: an error that names the file, or records; never a panic.

// clippy.toml lets test functions panic; this lets their helpers too.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray, RecordBatch, StringArray, StructArray};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use millrace_native::corpus::cut::Cutter;
use millrace_native::corpus::records::{self, Fields};
use millrace_native::corpus::{Format, Source};
use millrace_native::error::{Kind, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

fn texts() -> Vec<String> {
    (0..300).map(|n| format!("text {n} {} 好 \"quoted\"\n", "word ".repeat(n % 17))).collect()
}

fn jsonl() -> Vec<u8> {
    texts()
        .iter()
        .flat_map(|text| format!("{}\n", serde_json::json!({ "n": [1], "text": text })).into_bytes())
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn rows() -> RecordBatch {
    let column: ArrayRef = Arc::new(StringArray::from(texts()));
    let list = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>(
        (0..300).map(|n| Some((0..n % 5).map(Some).collect::<Vec<_>>())),
    );
    let pair = StructArray::from(vec![(
        Arc::new(arrow_schema::Field::new("inner", arrow_schema::DataType::Utf8, true)),
        column.clone(),
    )]);
    RecordBatch::try_from_iter([("list", Arc::new(list) as ArrayRef), ("text", column), ("meta", Arc::new(pair))])
        .unwrap()
}

fn parquet(compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder().set_compression(compression).build();
    let rows = rows();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_file() -> Vec<u8> {
    let rows = rows();
    let mut writer = FileWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_stream() -> Vec<u8> {
    let rows = rows();
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    writer.into_inner().unwrap()
}

/// Reads all records of a file: how many there are, and how many were refused.
fn read(path: &str, format: Format, field: &str) -> Result<(usize, usize)> {
    let sources = vec![Source { path: path.to_owned(), format }];
    let fields = Fields { names: vec![field.to_owned()], nested: false };
    let mut cutter = Cutter::new(sources.clone(), &fields, 4096);
    let (mut found, mut refused) = (0, 0);
    while let Some(block) = cutter.next(Vec::new())? {
        records::read(
            &block,
            &sources,
            &fields,
            |_, _, values| {
                assert_eq!(values.len(), 1);
                found += 1;
                Ok(())
            },
            |_| {
                refused += 1;
                Ok(())
            },
        )?;
    }
    Ok((found, refused))
}

/// Every kind of file, whole.
fn files() -> Vec<(&'static str, Format, Vec<u8>)> {
    let lines = jsonl();
    vec![
        ("a.jsonl", Format::Jsonl, lines.clone()),
        ("a.jsonl.gz", Format::Jsonl, gzip(&lines)),
        ("a.jsonl.zst", Format::Jsonl, zstd::encode_all(&lines[..], 3).unwrap()),
        ("a.txt", Format::Paragraph, texts().join("\n").into_bytes()),
        ("a.tsv", Format::Tsv, texts().join("\t").into_bytes()),
        ("plain.parquet", Format::Parquet, parquet(Compression::UNCOMPRESSED)),
        ("zstd.parquet", Format::Parquet, parquet(Compression::ZSTD(ZstdLevel::default()))),
        ("snappy.parquet", Format::Parquet, parquet(Compression::SNAPPY)),
        ("file.arrow", Format::Arrow, arrow_file()),
        ("stream.arrow", Format::Arrow, arrow_stream()),
    ]
}

fn field(format: Format) -> &'static str {
    if format == Format::Tsv { "0" } else { "text" }
}

fn folder(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("readers").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn whole_files_and_wrong_fields() {
    let dir = folder("whole");
    for (name, format, bytes) in files() {
        let path = dir.join(name);
        let path = path.to_str().unwrap();
        fs::write(path, bytes).unwrap();
        assert_eq!(read(path, format, field(format)).unwrap(), (300, 0), "{name}");
        match format {
            Format::Jsonl | Format::Tsv => assert_eq!(read(path, format, "77").unwrap(), (0, 300), "{name}"),
            Format::Parquet | Format::Arrow => {
                let error = read(path, format, "txt").unwrap_err();
                assert!(error.message.contains(name) && error.message.contains("no column txt"), "{error:?}");
                assert_eq!(error.hint.as_deref(), Some("it has list, text, meta"));
                assert_eq!(read(path, format, "meta.inner").unwrap(), (300, 0));
                let error = read(path, format, "list").unwrap_err();
                assert!(error.message.contains("is not text"), "{error:?}");
            }
            _ => {}
        }
        // The other formats' readers say no as well.
        for other in [Format::Parquet, Format::Arrow] {
            if other != format {
                let error = read(path, other, "text").unwrap_err();
                assert!(error.kind == Kind::Input && error.message.contains(name), "{error:?}");
            }
        }
    }
}

#[test]
fn cut_short_anywhere() {
    let dir = folder("cut");
    for (name, format, bytes) in files() {
        let path = dir.join(name);
        let path = path.to_str().unwrap();
        let step = (bytes.len() / 150).max(1);
        for length in (0..bytes.len()).step_by(step).chain(bytes.len().saturating_sub(20)..bytes.len()) {
            fs::write(path, &bytes[..length]).unwrap();
            let result = read(path, format, field(format));
            let packed = name.ends_with(".gz") || name.ends_with(".zst");
            match &result {
                Ok((found, _)) => {
                    // Nothing is the beginning of everything; a stream of Arrow may end behind any of its messages.
                    let may_end = !packed || length == 0;
                    assert!(may_end && format != Format::Parquet, "{name} cut to {length} bytes gave {found} records");
                }
                Err(error) => {
                    assert!(error.kind == Kind::Input && error.message.contains(name), "{name} {length}: {error:?}");
                }
            }
        }
    }
}

#[test]
fn flipped_bits() {
    let dir = folder("flipped");
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for (name, format, bytes) in files() {
        let path = dir.join(name);
        let path = path.to_str().unwrap();
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random(3) {
                // Half of them near the end, where the footers are.
                let at = if random(2) == 0 {
                    random(damaged.len())
                } else {
                    damaged.len() - 1 - random(damaged.len().min(600))
                };
                damaged[at] ^= 1 << random(8);
            }
            fs::write(path, &damaged).unwrap();
            if let Err(error) = read(path, format, field(format)) {
                assert!(error.kind == Kind::Input && error.message.contains(name), "{name}: {error:?}");
            }
        }
    }
}
