//! Rows deleted by mistake.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct DeleteRows {
    /// The table.
    pub table: String,
    /// The predicate.
    pub r#where: String,
}

impl BadStatement for DeleteRows {
    fn facts(&self) -> Facts<'_> {
        Facts {
            particulars: format!("where {}", line(&self.r#where)),
            errors: sql::ROWS_GONE,
            ..Facts::of_statement(Need::Table(&self.table))
        }
    }

    fn statement(&self) -> Statement {
        let rows = format!("from {} where {}", self.table, self.r#where);
        Statement::counted(format!("delete {rows}"), format!("select count(*) {rows}"))
    }
}
