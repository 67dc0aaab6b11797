//! Rows changed by mistake. Their values before and after show it: their number stays.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct UpdateRows {
    /// The table.
    pub table: String,
    /// The assignments.
    pub set: String,
    /// The predicate.
    pub r#where: String,
}

impl BadStatement for UpdateRows {
    fn facts(&self) -> Facts<'_> {
        let (set, predicate) = (line(&self.set), line(&self.r#where));
        Facts {
            particulars: format!("set {set} where {predicate}"),
            // Rows that are not found by their values any more, and new values that what clients
            // write collides with.
            errors: &[
                "23503", "23502", "23505", "23514", "23P01", "P0002", "40P01",
            ],
            ..Facts::of_statement(Need::Table(&self.table))
        }
    }

    /// An UPDATE that tells what it did to the values. The rows are locked before they are
    /// digested, so these are the very versions that it then changes, whatever clients do.
    fn statement(&self) -> Statement {
        let Self {
            table,
            set,
            r#where,
        } = self;
        let sql = format!(
            "with hit as ( \
               select count(*) as rows, coalesce(sum(hashtextextended(content, 0)), 0) as digest \
               from (select ({table}.*)::text as content from {table} where ({where}) for update) locked \
             ), changed as ( \
               update {table} set {set} where ({where}) and (select rows from hit) > 0 \
               returning ({table}.*)::text as content \
             ) \
             select rows || ' ' || digest || ' ' || \
               (select coalesce(sum(hashtextextended(content, 0)), 0) from changed) from hit"
        );
        Statement {
            sql,
            shown_by: ShownBy::Digests,
            from_outside: false,
        }
    }
}
