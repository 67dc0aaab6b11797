//! The bulk load: COPY over several connections, of generated rows in binary format wherever the
//! columns' types take it; then the rows of files, indexes and the rest.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes as Buffer;
use futures_util::{SinkExt, future::try_join_all};
use tokio_postgres::{Client, CopyInSink};

use super::{
    Model, ModelError, Scripts, columns, encode,
    generate::{CHUNK, Format, TableRows},
};
use crate::{
    event::EventKind,
    history::{self, Progress, Recorder},
    postgres::{Access, PgError, query::Cells},
    scenario::model::Table,
    units::Bytes,
};

/// A buffer is sent when it has grown beyond this.
const BUFFER: usize = 128 << 10;
/// Estimated bytes of one COPY: small enough to share the work out evenly.
const UNIT: f64 = 16e6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// `pg_database_size` after it.
    pub bytes: u64,
    pub rows: u64,
}

/// Chunks of one table that go into one COPY.
#[derive(Clone, Copy)]
struct Unit {
    table: usize,
    from: u64,
    to: u64,
}

struct Work<'a> {
    model: &'a Model,
    tables: Vec<TableRows<'a>>,
    units: Mutex<std::vec::IntoIter<Unit>>,
    size: u64,
    done: AtomicU64,
    rows: AtomicU64,
    progress: Progress<'a>,
}

impl Model {
    /// Fills the created model up to about `size` bytes of `pg_database_size` (within
    /// 10 % from 10 MB on), builds its indexes, grants its rights, and records
    /// `Progress` and `DataLoaded`. The same size, seed and month give the same rows.
    pub async fn load(
        &self,
        access: &Access,
        (size, seed): (Bytes, u64),
        scripts: &Scripts,
        psql: &impl AsyncFn(Vec<String>) -> Result<(), String>,
        recorder: &Recorder,
    ) -> Result<Loaded, ModelError> {
        let began = Instant::now();
        let mut loaded = self.fill(access, size, seed, recorder).await?;
        let client = self.connect(access).await?;
        for table in &self.manifest.tables {
            if let Some(file) = &table.file {
                loaded.rows += self.copy_file(&client, table, file).await?;
            }
        }
        self.execute(&self.manifest.files.after_load, scripts, psql)
            .await?;
        loaded.bytes = self.database_size(&client).await?;
        recorder.record(EventKind::DataLoaded {
            bytes: loaded.bytes,
            wanted: size.0,
            rows: loaded.rows,
            took_us: began.elapsed().as_micros() as u64,
        });
        Ok(loaded)
    }

    /// Only the rows: what `load` does before it builds indexes. `bytes` stays 0.
    pub async fn fill(
        &self,
        access: &Access,
        size: Bytes,
        seed: u64,
        recorder: &Recorder,
    ) -> Result<Loaded, ModelError> {
        let work = Work::new(self, size, seed, recorder)?;
        let cpus = std::thread::available_parallelism().map_or(2, usize::from);
        try_join_all((0..cpus.clamp(2, 4)).map(|_| work.connection(access))).await?;
        work.progress.end(work.size);
        Ok(Loaded {
            bytes: 0,
            rows: work.rows.into_inner(),
        })
    }

    async fn copy_file(
        &self,
        client: &Client,
        table: &Table,
        file: &str,
    ) -> Result<u64, ModelError> {
        let content = self.folder.file(file)?;
        let is_csv = file.ends_with(".csv");
        let named = table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let columns = if is_csv { header(&content) } else { named };
        let columns = match columns.is_empty() {
            true => String::new(),
            false => format!(" ({})", columns.join(", ")),
        };
        let options = if is_csv { " (FORMAT csv, HEADER)" } else { "" };
        let sql = format!("COPY {}{columns} FROM STDIN{options}", table.name);
        let copied = async {
            let sink: CopyInSink<Buffer> = client.copy_in(&sql).await?;
            let mut sink = std::pin::pin!(sink);
            sink.send(content.into()).await?;
            sink.finish().await
        };
        copied.await.map_err(|cause| {
            let doing = format!("COPY {} from `{file}`", table.name);
            self.server(PgError::new(doing, &cause))
        })
    }

    async fn database_size(&self, client: &Client) -> Result<u64, ModelError> {
        let sql = "SELECT pg_database_size(current_database())";
        let row = client.query_one(sql, &[]).await;
        let row = row.map_err(|cause| self.server(PgError::new("pg_database_size", &cause)))?;
        let size: i64 = row.cell(0).map_err(|error| self.server(error))?;
        Ok(size as u64)
    }
}

impl<'a> Work<'a> {
    fn new(
        model: &'a Model,
        size: Bytes,
        seed: u64,
        recorder: &'a Recorder,
    ) -> Result<Self, ModelError> {
        let rows = model.rows(size);
        let tables = model.manifest.tables.iter().enumerate();
        let generated = tables.filter(|(_, table)| table.file.is_none());
        let tables: Vec<TableRows<'a>> = generated
            .map(|(index, _)| TableRows::new(model, index, &rows, seed))
            .collect::<Result<_, _>>()
            .map_err(|cause| model.broken(cause))?;
        let units: Vec<Unit> = tables.iter().enumerate().flat_map(units_of).collect();
        let bytes = tables
            .iter()
            .map(|table| table.rows as f64 * table.table.row_bytes());
        let size = size.0.max(bytes.sum::<f64>() as u64);
        Ok(Self {
            model,
            tables,
            units: Mutex::new(units.into_iter()),
            size,
            done: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            progress: Progress::begin(recorder, "load"),
        })
    }

    /// Takes units until there are none.
    async fn connection(&self, access: &Access) -> Result<(), ModelError> {
        let client = self.model.connect(access).await?;
        // What is lost with a crash now would be loaded again anyway.
        let setting = "SET synchronous_commit = off";
        self.model.batch(&client, setting, setting).await?;
        while let Some(unit) = self.next() {
            let copied = self.copy(&client, unit).await;
            copied.map_err(|cause| {
                let doing = format!("COPY {}", self.tables[unit.table].table.name);
                self.model.server(PgError::new(doing, &cause))
            })?;
        }
        Ok(())
    }

    fn next(&self) -> Option<Unit> {
        let mut units = self
            .units
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        units.next()
    }

    async fn copy(&self, client: &Client, unit: Unit) -> Result<(), tokio_postgres::Error> {
        let rows = &self.tables[unit.table];
        let columns: Vec<_> = rows.table.columns.iter().map(|c| c.name.as_str()).collect();
        let (table, columns) = (&rows.table.name, columns.join(", "));
        let selected = client
            .prepare(&format!("SELECT {columns} FROM {table}"))
            .await?;
        let all = rows.table.columns.iter().zip(selected.columns());
        let format = match all
            .into_iter()
            .all(|(c, is)| columns::takes_binary(&c.r#gen, is.type_()))
        {
            true => Format::Binary,
            false => Format::Text,
        };
        let options = if format == Format::Binary {
            " (FORMAT binary)"
        } else {
            ""
        };
        let sql = format!("COPY {table} ({columns}) FROM STDIN{options}");
        let sink: CopyInSink<Buffer> = client.copy_in(&sql).await?;
        let mut sink = std::pin::pin!(sink);
        let mut buffer = Vec::with_capacity(2 * BUFFER);
        if format == Format::Binary {
            buffer.extend_from_slice(encode::HEADER);
        }
        for chunk in unit.from..unit.to {
            let made = rows.chunk(chunk, format, &mut buffer);
            self.made(made, rows.table.row_bytes());
            if buffer.len() >= BUFFER {
                let full = std::mem::replace(&mut buffer, Vec::with_capacity(2 * BUFFER));
                sink.feed(full.into()).await?;
            }
        }
        if format == Format::Binary {
            buffer.extend_from_slice(encode::TRAILER);
        }
        sink.send(buffer.into()).await?;
        sink.finish().await?;
        Ok(())
    }

    /// Counts rows and tells how far the load has come.
    fn made(&self, rows: u64, row_bytes: f64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        let bytes = (rows as f64 * row_bytes) as u64;
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.progress.reached(history::Bytes {
            done,
            total: self.size,
        });
    }
}

/// The columns that the header of a CSV file names, as SQL names them.
fn header(csv: &[u8]) -> Vec<String> {
    let line = csv.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let names = line.trim_start_matches('\u{feff}').trim_end().split(',');
    let quoted = |name: &str| format!("\"{}\"", name.trim_matches('"'));
    names.map(quoted).collect()
}

fn units_of<'a>((table, rows): (usize, &'a TableRows<'_>)) -> impl Iterator<Item = Unit> + 'a {
    let chunk_bytes = rows.table.row_bytes() * CHUNK as f64;
    let step = ((UNIT / chunk_bytes) as u64).max(1);
    let chunks = rows.chunks();
    (0..chunks).step_by(step as usize).map(move |from| Unit {
        table,
        from,
        to: (from + step).min(chunks),
    })
}
