//! The columns of a row, their names resolved: whole numbers are made here, the rest is
//! `generate`'s (loaded rows, binary) and `text`'s.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use tokio_postgres::types::{Kind as TypeKind, Type};

use crate::scenario::plan::{BelongsTo, Generator};

/// A generator with its names resolved.
#[derive(Clone, Debug)]
pub enum Filled {
    /// What is no whole number of 8 bytes.
    Plain(Generator),
    Serial,
    Bigint,
    /// 1 to so many.
    Ref(i64),
    /// The number of the column there, modulo so many, plus 1.
    BelongsTo(usize, i64),
    /// The number of the column there.
    SameAs(usize),
}

impl Filled {
    /// `earlier`: names of the columns before it; `rows`: of every loaded table. What is wrong
    /// otherwise.
    pub fn new<'n>(
        generator: &Generator,
        earlier: impl IntoIterator<Item = &'n str>,
        rows: &BTreeMap<String, u64>,
    ) -> Result<Self, String> {
        let count = |table: &str| {
            let found = rows.get(table).map(|count| *count as i64);
            found.ok_or_else(|| format!("no rows of `{table}` are numbered"))
        };
        let mut earlier = earlier.into_iter();
        let mut position = |column: &str| {
            let found = earlier.position(|name| name == column);
            found.ok_or_else(|| format!("no earlier column is `{column}`"))
        };
        Ok(match generator {
            Generator::Serial => Self::Serial,
            Generator::Bigint => Self::Bigint,
            Generator::Ref(table) => Self::Ref(count(table)?),
            Generator::BelongsTo(BelongsTo { table, by }) => {
                Self::BelongsTo(position(by)?, count(table)?)
            }
            Generator::SameAs(column) => Self::SameAs(position(column)?),
            other => Self::Plain(other.clone()),
        })
    }

    /// The number, or the generator of what is none. `numbers`: of the columns before it.
    pub fn number(
        &self,
        serial: i64,
        numbers: &[i64],
        rng: &mut ChaCha12Rng,
    ) -> Result<i64, &Generator> {
        Ok(match self {
            Self::Plain(generator) => return Err(generator),
            Self::Serial => serial,
            Self::Bigint => rng.random(),
            Self::Ref(rows) => rng.random_range(1..=*rows),
            Self::BelongsTo(column, rows) => numbers[*column] % rows + 1,
            Self::SameAs(column) => numbers[*column],
        })
    }
}

/// The types whose binary form is what a generator sends.
fn types(generator: &Generator) -> &'static [Type] {
    match generator {
        Generator::Int(_) => &[Type::INT4],
        Generator::Text(_)
        | Generator::Name
        | Generator::Email
        | Generator::Hash
        | Generator::Enum(_)
        | Generator::Pattern(_) => &[Type::TEXT, Type::VARCHAR],
        Generator::Uuid => &[Type::UUID],
        Generator::Bytes(_) => &[Type::BYTEA],
        Generator::Jsonb(_) => &[Type::JSONB],
        Generator::Numeric(_) => &[Type::NUMERIC],
        Generator::Timestamptz(_) => &[Type::TIMESTAMPTZ],
        Generator::Bool(_) => &[Type::BOOL],
        Generator::TextArray(_) => &[Type::TEXT_ARRAY],
        Generator::IntArray(_) => &[Type::INT4_ARRAY],
        Generator::None => &[],
        Generator::Serial
        | Generator::Bigint
        | Generator::Ref(_)
        | Generator::BelongsTo(_)
        | Generator::SameAs(_) => &[Type::INT8],
    }
}

/// Whether a column of this type takes a generator's binary form.
pub fn takes_binary(generator: &Generator, column: &Type) -> bool {
    let label =
        matches!(generator, Generator::Enum(_)) && matches!(column.kind(), TypeKind::Enum(_));
    *generator == Generator::None || label || types(generator).contains(column)
}

/// Whether a column of this type prints a generator's text as it was written; what it must be
/// otherwise.
///
/// # Errors
/// The names of the types that it may be of.
pub fn prints_alike(generator: &Generator, column: &Type) -> Result<(), String> {
    let whole = [Type::INT2, Type::INT4, Type::INT8];
    let number = types(generator).iter().any(|one| whole.contains(one));
    if takes_binary(generator, column) || number && whole.contains(column) {
        return Ok(());
    }
    match types(generator) {
        [first, ..] if number || *first == Type::TEXT => {
            Err(if number { "an integer" } else { "text" }.into())
        }
        types => Err(types
            .iter()
            .map(Type::name)
            .collect::<Vec<_>>()
            .join(" or ")),
    }
}
