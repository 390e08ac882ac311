//! Days as numbers, and as people count them: the Gregorian calendar, for ever in both directions.

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Days of 400 years, after which the calendar repeats itself.
const DAYS_OF_400_YEARS: i64 = 146_097;
/// From March 1 of the year 0 to January 1, 1970.
const DAYS_BEFORE_1970: i64 = 719_468;

/// Days from January 1, 1970 to a date. A month beyond 12 or a day beyond the month's last runs on into the next.
pub(super) fn day_number(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their odd day at the end, and months that follow a rule: 153 days are five of them.
    let months = year * 12 + month - 3;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - DAYS_BEFORE_1970
}

/// Year, month (from 1) and day of the month (from 1) of a day.
pub(super) fn date(number: i64) -> (i64, i64, i64) {
    let mut year = 1970 + (number * 400).div_euclid(DAYS_OF_400_YEARS);
    // The guess is off by a year at most, around New Year.
    while day_number(year + 1, 1, 1) <= number {
        year += 1;
    }
    while day_number(year, 1, 1) > number {
        year -= 1;
    }
    let begins = |month: &i64| day_number(year, *month, 1) <= number;
    let month = (2..=12).filter(begins).count() as i64 + 1;
    (year, month, number - day_number(year, month, 1) + 1)
}

/// Days since Sunday, 0 to 6.
pub(super) fn weekday(number: i64) -> i64 {
    /// January 1, 1970 was a Thursday.
    const FIRST: i64 = 4;
    (number + FIRST).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days_have_their_numbers_and_weekdays() {
        for (date_, number, day) in [
            ((1970, 1, 1), 0, 4),
            ((1969, 12, 31), -1, 3),
            ((2000, 2, 29), 11_016, 2),
            ((2001, 9, 9), 11_574, 0),
            ((2026, 11, 23), 20_780, 1),
            ((2100, 3, 1), 47_541, 1),
        ] {
            let (y, m, d) = date_;
            assert_eq!((day_number(y, m, d), weekday(number), date(number)), (number, day, date_));
        }
    }

    #[test]
    fn every_day_of_800_years_follows_the_one_before() {
        let mut last = date(-100_000);
        for number in -99_999..200_000 {
            let (y, m, d) = date(number);
            let next_day = (y, m, d - 1) == last;
            let next_month = d == 1 && (y, m - 1) == (last.0, last.1) && (28..=31).contains(&last.2);
            let next_year = (y - 1, m, d) == (last.0, 1, 1) && (last.1, last.2) == (12, 31);
            assert!(next_day || next_month || next_year, "{last:?} {:?}", (y, m, d));
            assert_eq!(day_number(y, m, d), number);
            last = (y, m, d);
        }
    }
}
