//! What may be asked of the list of reports.

use std::collections::BTreeMap;

use super::Status;
use crate::text;

/// The most reports of one page.
const LARGEST_PAGE: usize = 100;

/// A page of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// From 1.
    pub number: usize,
    pub size: usize,
    /// Only those that ended so.
    pub status: Option<Status>,
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrongParameter {
    pub name: String,
    pub why: String,
}

impl WrongParameter {
    fn new(name: &str, why: impl Into<String>) -> Self {
        let name = text::cut(name, 60);
        Self {
            why: why.into(),
            name,
        }
    }
}

impl Page {
    /// As a query asks for it; ten reports a page where it says nothing.
    pub fn asked(query: &str) -> Result<Self, WrongParameter> {
        let stated = parameters(query, &["pageNum", "pageSize", "status"])?;
        let number = |name, most| stated.get(name).map(|text| number(name, text, most));
        Ok(Self {
            number: number("pageNum", usize::MAX).unwrap_or(Ok(1))?,
            size: number("pageSize", LARGEST_PAGE).unwrap_or(Ok(10))?,
            status: stated.get("status").map(|text| status(text)).transpose()?,
        })
    }

    /// How many reports come before it.
    pub fn skips(self) -> usize {
        (self.number - 1).saturating_mul(self.size)
    }
}

/// The parameters of a query, of which each may be stated once.
pub(super) fn parameters(
    query: &str,
    known: &[&'static str],
) -> Result<BTreeMap<&'static str, String>, WrongParameter> {
    let mut stated = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(known) = known.iter().find(|known| **known == name) else {
            let all = match known {
                [] => "there are none here".to_owned(),
                known => format!("there are {}", known.join(", ")),
            };
            return Err(WrongParameter::new(&name, format!("unknown: {all}")));
        };
        if stated.insert(*known, value.into_owned()).is_some() {
            return Err(WrongParameter::new(known, "stated twice"));
        }
    }
    Ok(stated)
}

fn number(name: &str, stated: &str, most: usize) -> Result<usize, WrongParameter> {
    // `parse` takes a sign, too.
    let digits = stated.bytes().all(|byte| byte.is_ascii_digit());
    let number = stated.parse().ok().filter(|number| digits && *number >= 1);
    number.filter(|number| *number <= most).ok_or_else(|| {
        let range = match most {
            usize::MAX => "from 1".to_owned(),
            most => format!("from 1 to {most}"),
        };
        WrongParameter::new(name, format!("must be a whole number {range}"))
    })
}

fn status(stated: &str) -> Result<Status, WrongParameter> {
    match stated {
        "SUCCESS" => Ok(Status::Success),
        "FAILED" => Ok(Status::Failed),
        _other => Err(WrongParameter::new("status", "must be SUCCESS or FAILED")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_it_was_asked_for() {
        let page = |number, size, status| {
            Ok(Page {
                number,
                size,
                status,
            })
        };
        assert_eq!(Page::asked(""), page(1, 10, None));
        let query = "pageNum=3&pageSize=100&status=FAILED";
        assert_eq!(Page::asked(query), page(3, 100, Some(Status::Failed)));
        assert_eq!(
            Page::asked("status=%53UCCESS"),
            page(1, 10, Some(Status::Success))
        );
        assert_eq!(Page::asked(query).unwrap().skips(), 200);
        let far = format!("pageNum={}&pageSize=100", usize::MAX);
        assert_eq!(Page::asked(&far).unwrap().skips(), usize::MAX);
    }

    #[test]
    fn a_wrong_parameter_is_named_with_what_it_must_be() {
        let mut told = String::new();
        for query in [
            "pageNum=0",
            "pageNum=-1",
            "pageNum=+1",
            "pageNum=",
            "pageNum=99999999999999999999",
            "pageSize=101",
            "pageSize=ten",
            "status=success",
            "status=",
            "page=1",
            "pageNum=1&pageNum=2",
        ] {
            let WrongParameter { name, why } = Page::asked(query).unwrap_err();
            told.push_str(&format!("{query}: {name} {why}\n"));
        }
        insta::assert_snapshot!(told, @r"
        pageNum=0: pageNum must be a whole number from 1
        pageNum=-1: pageNum must be a whole number from 1
        pageNum=+1: pageNum must be a whole number from 1
        pageNum=: pageNum must be a whole number from 1
        pageNum=99999999999999999999: pageNum must be a whole number from 1
        pageSize=101: pageSize must be a whole number from 1 to 100
        pageSize=ten: pageSize must be a whole number from 1 to 100
        status=success: status must be SUCCESS or FAILED
        status=: status must be SUCCESS or FAILED
        page=1: page unknown: there are pageNum, pageSize, status
        pageNum=1&pageNum=2: pageNum stated twice
        ");
    }
}
