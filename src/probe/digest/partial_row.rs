//! A row that the stream's chunks cut in pieces, taken field by field.

use xxhash_rust::xxh3::Xxh3;

use super::{CopyError, field_length};

/// A row (or the trailer) that goes on in the next chunk.
#[derive(Default)]
pub(super) struct PartialRow {
    hash: Xxh3,
    head: [u8; 4],
    filled: usize,
    /// Fields to come, that of `data` not included; none before the row's head.
    fields: Option<i16>,
    /// Bytes of the current field to come.
    data: usize,
}

/// How it ended.
pub(super) enum RowEnd {
    /// The row's hash.
    Row(u128),
    /// No row: the stream ends here.
    Trailer,
}

impl std::fmt::Debug for PartialRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartialRow")
            .field("fields", &self.fields)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

impl PartialRow {
    /// Takes as much of the chunk as belongs to this row.
    pub(super) fn take(&mut self, chunk: &[u8], row: u64) -> Result<usize, CopyError> {
        let mut used = 0;
        while used < chunk.len() && self.end().is_none() {
            used += if self.data > 0 {
                self.take_data(&chunk[used..])
            } else {
                self.take_head(&chunk[used..], row)?
            };
        }
        Ok(used)
    }

    fn take_data(&mut self, chunk: &[u8]) -> usize {
        let count = self.data.min(chunk.len());
        self.hash.update(&chunk[..count]);
        self.data -= count;
        count
    }

    fn take_head(&mut self, chunk: &[u8], row: u64) -> Result<usize, CopyError> {
        let want = if self.fields.is_none() { 2 } else { 4 };
        let count = chunk.len().min(want - self.filled);
        self.head[self.filled..self.filled + count].copy_from_slice(&chunk[..count]);
        self.filled += count;
        if self.filled == want {
            self.hash.update(&self.head[..want]);
            self.filled = 0;
            match &mut self.fields {
                None => self.fields = Some(field_count([self.head[0], self.head[1]], row)?),
                Some(fields) => {
                    *fields -= 1;
                    self.data = field_length(self.head, row)?;
                }
            }
        }
        Ok(count)
    }

    pub(super) fn end(&self) -> Option<RowEnd> {
        match self.fields {
            Some(0) if self.data == 0 => Some(RowEnd::Row(self.hash.digest128())),
            Some(fields) if fields < 0 => Some(RowEnd::Trailer),
            _ => None,
        }
    }
}

/// Fields of a row; -1: the trailer.
fn field_count(head: [u8; 2], row: u64) -> Result<i16, CopyError> {
    match i16::from_be_bytes(head) {
        fields if fields < -1 => Err(CopyError::Count { row, fields }),
        fields => Ok(fields),
    }
}
