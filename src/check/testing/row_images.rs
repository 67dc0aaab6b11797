//! Images of the rows of a fixture: each transaction leaves a row in `app.orders`, which the
//! ledger tells of, and a note of it in `app.notes`.

use pgdrill::{
    event::{EventKind, ImageRecord, ImagedTable, Moment},
    ledger::{Outcome, Record},
    row_images::Image,
};

use super::HistoryFixture;

impl HistoryFixture {
    /// Images of what there was on a server.
    pub fn image(&mut self, at_us: u64, moment: Moment, server: &str) {
        let rows: Vec<Image> = match moment {
            Moment::After => self.rows_on(server).iter().flat_map(images).collect(),
            Moment::Before | Moment::Gate => {
                let here = |one: &Record| self.served(one.workload, Some(at_us)) == server;
                let there =
                    |one: &&Record| here(one) && one.outcome == Outcome::Ok && one.acked_us < at_us;
                self.ledger.iter().filter(there).flat_map(images).collect()
            }
        };
        let file = format!("images-{}-{server}", self.images.len() + 1);
        let table = |name: &str, ledgered| ImagedTable {
            name: name.into(),
            ledgered,
            ..ImagedTable::default()
        };
        let record = ImageRecord {
            server: server.into(),
            moment,
            file: file.clone(),
            since: 900,
            began_us: at_us,
            tables: vec![table("app.notes", false), table("app.orders", true)],
            ..ImageRecord::default()
        };
        self.images.push((file, rows));
        self.tell(at_us, EventKind::RowsImaged(record));
    }
}

fn images(record: &Record) -> [Image; 2] {
    let image = |table: u16| Image {
        table,
        keyed: true,
        xid: record.xid,
        identity: record.key.0,
        content: record.digest ^ u64::from(table),
    };
    [image(0), image(1)]
}
