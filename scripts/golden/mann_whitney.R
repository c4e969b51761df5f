# Golden values for shared/simulation's Mann-Whitney interval, from R's wilcox.test.
#
#     Rscript scripts/golden/mann_whitney.R > shared/simulation/testdata/mann_whitney.json
#
# Made with R 4.2.2. The samples are written as R rounds them to 4 digits, so that
# both sides see the same numbers; ties come from rounding to 0 or 1 digit.
set.seed(20261123)

case <- function(x, y, level) {
  t <- suppressWarnings(wilcox.test(x, y, conf.int = TRUE, conf.level = level, exact = FALSE, tol.root = 1e-12))
  num <- function(v) paste0("[", paste(formatC(v, digits = 15, format = "g", width = -1), collapse = ", "), "]")
  sprintf('{"level": %g, "x": %s, "y": %s, "u": %.15g, "p": %.15g, "low": %.15g, "estimate": %.15g, "high": %.15g}',
          level, num(x), num(y), t$statistic, t$p.value, t$conf.int[1], t$estimate, t$conf.int[2])
}

cases <- c(
  case(round(rnorm(60), 4), round(rnorm(60), 4), 0.98),
  case(round(rnorm(60, 1), 4), round(rnorm(55), 4), 0.98),
  case(round(rexp(20), 4), round(rexp(35, 2), 4), 0.95),
  case(round(rnorm(180, 350, 20), 0), round(rnorm(180, 352, 20), 0), 0.98),
  case(round(100 * rbinom(60, 60, 0.01) / 60, 4), round(100 * rbinom(60, 60, 0.002) / 60, 4), 0.98),
  case(round(100 * rbinom(50, 6, 0.3) / 6, 4), round(100 * rbinom(50, 6, 0.1) / 6, 4), 0.98),
  case(c(1, 2, 3), c(2, 3, 4, 5), 0.9),
  case(c(5), c(1, 2, 2, 3, 9), 0.8),
  case(round(rnorm(7, 10), 4), round(rnorm(9), 4), 0.98)
)
cat(sprintf('{"made_with": "%s", "cases": [\n %s\n]}\n', R.version.string, paste(cases, collapse = ",\n ")))
