//! Lists of what iterators give. The standard library's `collect` is compiled anew for each iterator with an estimate of its length, a first
//! element apart from the others, and a machine more where elements may fail; here it is one loop.

/// For every iterator.
pub trait List: Iterator + Sized {
    /// All elements in their order, as `collect` puts them together.
    fn list(self) -> Vec<Self::Item> {
        let mut all = Vec::new();
        for item in self {
            all.push(item);
        }
        all
    }

    /// All elements in their order.
    ///
    /// # Errors
    /// The first of them that failed; those behind it are not asked for.
    fn list_all<T, E>(self) -> Result<Vec<T>, E>
    where
        Self: Iterator<Item = Result<T, E>>,
    {
        let mut all = Vec::new();
        for item in self {
            all.push(item?);
        }
        Ok(all)
    }
}

impl<I: Iterator> List for I {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_has_all_in_their_order_and_ends_at_the_first_failure() {
        assert_eq!((1..6).filter(|n| n % 2 == 1).list(), [1, 3, 5]);
        assert_eq!(["1", "2"].iter().map(|text| text.parse::<u8>()).list_all(), Ok(vec![1, 2]));
        let mut asked = 0;
        let failed = ["1", "x", "2"].iter().map(|text| text.parse::<u8>()).inspect(|_| asked += 1).list_all();
        assert!(failed.is_err());
        assert_eq!(asked, 2);
    }
}
