//! What follows in the archive where recovery ended, as the bytes have it.

use super::Restore;
use crate::{
    event::{Follows, RecoveryRecord},
    postgres::{ServerError, literal},
    runtime::Exec,
    wal::SegmentSize,
};

const SEGMENT_NAME: usize = 24;
/// Bytes of the header of a page that does not begin a segment.
const PAGE_HEADER: u64 = 24;

/// Looks into the segment amid which recovery ended; none when it ended where a segment does, or
/// the archive holds that one not as PostgreSQL wrote it.
pub(super) async fn follows(
    request: &Restore<'_>,
    record: &RecoveryRecord,
    size: SegmentSize,
) -> Result<Option<Follows>, ServerError> {
    let Some(lsn) = record.ended_lsn().filter(|lsn| lsn % size.0 > 0) else {
        return Ok(None);
    };
    let number = size.number(lsn);
    let Some((name, _)) = record.file(number, size) else {
        return Ok(None);
    };
    let Some(path) = fetched(request, name).await else {
        return Ok(None);
    };
    let answer = request.server.value(&query(&path, lsn, size)).await?;
    Ok(read(&answer, size.start(number)))
}

/// A segment, brought from whichever store and however packed by the archive's own command to where
/// it can be read.
async fn fetched(request: &Restore<'_>, name: &str) -> Option<String> {
    let (server, archive) = (request.server, request.recovery.archive?);
    let path = server.fill_in("{run}/last-segment");
    let command = server.fill_in(&archive.restore_command);
    let command = command.replace("%f", name.get(..SEGMENT_NAME)?);
    let exec = Exec::shell(command.replace("%p", &path)).unrecorded();
    server.node.exec(exec).await.ok()?;
    Some(path)
}

/// Length of the record at a position, and the last page behind it that is in its place.
fn query(path: &str, lsn: u64, size: SegmentSize) -> String {
    let path = literal(path);
    let (start, at) = (size.start(size.number(lsn)), lsn % size.0);
    let byte = |nth: u64| {
        format!(
            "(get_byte(rest, page - {at} + 8 + {nth})::bigint << {})",
            8 * nth
        )
    };
    let address: Vec<String> = (0..4).map(byte).collect();
    format!(
        "select encode(substr(rest, 1 + case when {at} % block = 0 then {PAGE_HEADER} else 0 end, 4), 'hex') \
         || ' ' || coalesce((select max(page) from generate_series(({at} / block + 1) * block, {last} - block, block) page \
         where {address} = (({start} + page) & 4294967295)), 0) \
         from (select current_setting('wal_block_size')::int block) pages, \
         pg_read_binary_file({path}, {at}, {left}) rest",
        last = size.0,
        left = size.0 - at,
        address = address.join(" + "),
    )
}

fn read(answer: &str, start: u64) -> Option<Follows> {
    let (record, page) = answer.split_once(' ')?;
    let record: [u8; 4] = hex::decode(record).ok()?.try_into().ok()?;
    let page: u64 = page.parse().ok()?;
    Some(Follows {
        record: u32::from_le_bytes(record),
        page: (page > 0).then_some(start + page),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_a_record_and_a_page() {
        let start = 0x500_0000;
        let follows = |record, page| Some(Follows { record, page });
        assert_eq!(read("00000000 0", start), follows(0, None));
        assert_eq!(
            read("22010000 8192", start),
            follows(0x122, Some(0x500_2000))
        );
        assert_eq!(read("", start), None);
    }
}
