//! Reading an index through a query that must use it, where `pg_amcheck` looks at B-trees alone:
//! what the index answers is held against what a sequential scan answers.
//!
//! Each column is asked for by itself, as an index of several may keep them apart (GIN). A scan of
//! the whole index comes first; where its operator class knows none, every value of the table is
//! looked up through it, and where values can't be told apart, some of its rows. The plan must name
//! the index, else it was not read.

use serde_json::Value;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use crate::{observation::Refused, postgres::access::describe};

/// Rows looked up in an index that can't be scanned as a whole.
const LOOKED_UP: u32 = 1000;

/// Conditions that hold for as many rows as possible, and that some operator class answers by a
/// scan of all of its index. Of a type that has no such operator they are refused, and the next
/// is tried.
const WHOLE: [&str; 10] = [
    "IS NOT NULL",
    "@> '{}'",
    "@@ '!pgdrill'",
    "~~ '%'",
    "@> ''",
    "<@ '(,)'",
    "<@ '{(,)}'",
    "<@ '((-Infinity,-Infinity),(Infinity,Infinity))'",
    "<<= '0.0.0.0/0'",
    "^@ ''",
];

/// Valid indexes of other access methods than `btree`, and these B-trees: each of their key
/// columns, its operators, and which of these are equalities that values can be grouped by.
const COLUMNS: &str = "
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relname::text,
  quote_ident(tn.nspname) || '.' || quote_ident(t.relname), pg_get_expr(i.indpred, i.indrelid),
  pg_get_indexdef(c.oid, k.place, true), pg_index_column_has_property(c.oid, k.place, 'search_nulls'),
  coalesce(a.operators, '{}'), coalesce(a.equal, '{}')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_am m ON m.oid = c.relam CROSS JOIN generate_series(1, i.indnkeyatts) AS k (place)
CROSS JOIN LATERAL (SELECT array_agg('OPERATOR(' || quote_ident(op.nspname) || '.' || o.oprname || ')' ORDER BY a.amopstrategy),
    array_agg(o.oprcanhash ORDER BY a.amopstrategy)
  FROM pg_opclass f JOIN pg_amop a ON a.amopfamily = f.opcfamily AND a.amoppurpose = 's'
    AND a.amoplefttype = f.opcintype AND a.amoprighttype = f.opcintype
  JOIN pg_operator o ON o.oid = a.amopopr AND o.oprresult = 'bool'::regtype
  JOIN pg_namespace op ON op.oid = o.oprnamespace
  WHERE f.oid = i.indclass[k.place - 1]) AS a (operators, equal)
WHERE c.relkind = 'i' AND c.relpersistence <> 't' AND i.indisvalid AND i.indisready
  AND (m.amname <> 'btree' OR c.oid = ANY ($1)) ORDER BY c.oid, k.place";

/// An index, as far as queries are made of it.
#[derive(Debug)]
pub(super) struct Index {
    /// Qualified name.
    pub name: String,
    relname: String,
    table: String,
    predicate: Option<String>,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    /// The column, or what is indexed of the row.
    expression: String,
    nulls: bool,
    operators: Vec<String>,
    /// Of each operator, whether it is an equality.
    equal: Vec<bool>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// All of it answers as the table does.
    Same,
    /// So do as many rows of the table as were looked up.
    Sampled,
    /// It does not: how.
    Different(String),
    /// It was not read: why.
    Refused(Refused),
}

pub(super) async fn list(client: &Client, trees: &[u32]) -> Result<Vec<Index>, Error> {
    let mut indexes: Vec<Index> = Vec::new();
    for row in client.query(COLUMNS, &[&trees]).await? {
        let column = Column {
            expression: row.try_get(4)?,
            nulls: row.try_get::<_, Option<bool>>(5)?.unwrap_or_default(),
            operators: row.try_get(6)?,
            equal: row.try_get(7)?,
        };
        let name: String = row.try_get(0)?;
        match indexes.last_mut().filter(|last| last.name == name) {
            Some(last) => last.columns.push(column),
            None => indexes.push(Index {
                name,
                relname: row.try_get(1)?,
                table: row.try_get(2)?,
                predicate: row.try_get(3)?,
                columns: vec![column],
            }),
        }
    }
    Ok(indexes)
}

pub(super) async fn read(client: &Client, index: &Index) -> Read {
    let mut all = Read::Same;
    for column in &index.columns {
        match answers(client, index, column).await {
            Ok(Read::Same) => {}
            Ok(Read::Sampled) => all = Read::Sampled,
            Ok(other) => return other,
            Err(error) => return Read::Refused(refused(&error)),
        }
    }
    all
}

pub(super) fn refused(error: &Error) -> Refused {
    Refused {
        sqlstate: error
            .code()
            .map(|code| code.code().to_owned())
            .unwrap_or_default(),
        message: describe(error),
    }
}

async fn answers(client: &Client, index: &Index, column: &Column) -> Result<Read, Error> {
    let nulls = |condition: &&&str| column.nulls || **condition != "IS NOT NULL";
    for condition in WHOLE.iter().filter(nulls) {
        let query = index.whole(column, condition);
        if uses(client, &query, index).await? {
            return compared(client, &query).await;
        }
    }
    let equal = column.operators.iter().zip(&column.equal);
    for (operator, _) in equal.filter(|(_, equal)| **equal) {
        let query = index.each_value(column, operator);
        if uses(client, &query, index).await? {
            return found(client, &query, "values", Read::Same).await;
        }
    }
    for operator in &column.operators {
        let query = index.some_rows(column, operator);
        if uses(client, &query, index).await? {
            return found(client, &query, "rows", Read::Sampled).await;
        }
    }
    Ok(Read::Refused(Refused {
        sqlstate: String::new(),
        message: format!("no query was found that uses it for {}", column.expression),
    }))
}

impl Index {
    fn and(&self) -> String {
        let predicate = self.predicate.as_ref();
        predicate
            .map(|text| format!(" AND ({text})"))
            .unwrap_or_default()
    }

    fn whole(&self, column: &Column, condition: &str) -> String {
        format!(
            "SELECT {ROWS} FROM ONLY {} WHERE {} {condition}{}",
            self.table,
            column.expression,
            self.and()
        )
    }

    /// The rows of each value there is, by the table and by the index.
    fn each_value(&self, column: &Column, operator: &str) -> String {
        let (table, expression, and) = (&self.table, &column.expression, self.and());
        format!(
            "SELECT count(*) FILTER (WHERE f.pgdrill_rows IS DISTINCT FROM s.pgdrill_rows) || ' of ' || count(*) FROM \
             (SELECT {expression} AS pgdrill_value, {ROWS} AS pgdrill_rows FROM ONLY {table} \
             WHERE {expression} IS NOT NULL{and} GROUP BY 1) s \
             LEFT JOIN LATERAL (SELECT {ROWS} AS pgdrill_rows \
             FROM ONLY {table} b WHERE {expression} {operator} s.pgdrill_value{and}) f ON true"
        )
    }

    fn some_rows(&self, column: &Column, operator: &str) -> String {
        let (table, expression, and) = (&self.table, &column.expression, self.and());
        format!(
            "SELECT count(*) FILTER (WHERE f.pgdrill_found IS NOT TRUE) || ' of ' || count(*) FROM \
             (SELECT ctid AS pgdrill_at, {expression} AS pgdrill_value FROM ONLY {table} \
             WHERE {expression} {operator} {expression}{and} \
             ORDER BY hashtext(ctid::text) LIMIT {LOOKED_UP}) s \
             LEFT JOIN LATERAL (SELECT bool_or(b.ctid = s.pgdrill_at) AS pgdrill_found \
             FROM ONLY {table} b WHERE {expression} {operator} s.pgdrill_value{and}) f ON true"
        )
    }
}

/// How many rows, and which.
const ROWS: &str = "count(*) || ' rows, ' || coalesce(sum(hashtext(ctid::text)::bigint), 0)";

/// Whether the plan of a query names the index. A query that the server can't plan is none.
async fn uses(client: &Client, query: &str, index: &Index) -> Result<bool, Error> {
    client.batch_execute(BY_INDEX).await?;
    match one(client, &format!("EXPLAIN (FORMAT JSON, COSTS OFF) {query}")).await {
        Ok(plan) => {
            let plan: Value = serde_json::from_str(&plan).unwrap_or_default();
            Ok(names(&plan, &index.relname))
        }
        Err(error) if error.as_db_error().is_some() && !refused(&error).is_damage() => Ok(false),
        Err(error) => Err(error),
    }
}

fn names(plan: &Value, relname: &str) -> bool {
    match plan {
        Value::Object(map) => {
            map.get("Index Name").and_then(Value::as_str) == Some(relname)
                || map.values().any(|value| names(value, relname))
        }
        Value::Array(values) => values.iter().any(|value| names(value, relname)),
        _scalar => false,
    }
}

const BY_INDEX: &str = "SET enable_seqscan = off; SET enable_tidscan = off; \
     SET enable_indexscan = on; SET enable_bitmapscan = on; SET enable_indexonlyscan = on";
const BY_TABLE: &str = "SET enable_seqscan = on; SET enable_indexscan = off; \
     SET enable_bitmapscan = off; SET enable_indexonlyscan = off";

/// Both answers, of one snapshot.
async fn compared(client: &Client, query: &str) -> Result<Read, Error> {
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let both = async {
        client.batch_execute(BY_INDEX).await?;
        let by_index = one(client, query).await?;
        client.batch_execute(BY_TABLE).await?;
        Ok::<_, Error>((by_index, one(client, query).await?))
    };
    let both = both.await;
    client.batch_execute("ROLLBACK").await?;
    let (by_index, by_table) = both?;
    let count = |answer: &str| answer.split(',').next().unwrap_or_default().to_owned();
    Ok(match by_index == by_table {
        true => Read::Same,
        false => Read::Different(format!(
            "{} through it, {} in the table",
            count(&by_index),
            count(&by_table)
        )),
    })
}

async fn found(client: &Client, query: &str, what: &str, right: Read) -> Result<Read, Error> {
    let answer = one(client, query).await?;
    Ok(match answer.starts_with("0 of ") {
        true => right,
        false => Read::Different(format!(
            "{answer} {what} of the table are not found through it"
        )),
    })
}

async fn one(client: &Client, query: &str) -> Result<String, Error> {
    let messages = client.simple_query(query).await?;
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _other => None,
    });
    Ok(value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_the_index_however_deep() {
        let plan: Value = serde_json::from_str(
            r#"[{"Plan": {"Node Type": "Aggregate", "Plans": [{"Index Name": "Odd \"one"}]}}]"#,
        )
        .unwrap();
        assert!(names(&plan, "Odd \"one"));
        assert!(!names(&plan, "Odd"));
    }
}
