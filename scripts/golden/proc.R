# Writes shared/evaluation/testdata/proc.json: what R's pROC says about the
# samples of golden.json, which evaluation.py wrote before.
#
#     Rscript scripts/golden/proc.R
#     (R 4.2.2, pROC 1.18.0, jsonlite 1.8.4: Debian's r-base-core, r-cran-proc, r-cran-jsonlite)
suppressMessages({library(pROC); library(jsonlite)})

folder <- "shared/evaluation/testdata/"
samples <- fromJSON(paste0(folder, "golden.json"), simplifyDataFrame = FALSE)$samples

curve <- function(label, score) roc(label, score, levels = c(0, 1), direction = "<", quiet = TRUE)

one <- function(s) {
  a <- curve(s$label, s$score)
  b <- curve(s$label, s$other)
  half <- seq_along(s$label) %% 2 == 0
  u <- curve(s$label[half], s$score[half])
  v <- curve(s$label[!half], s$other[!half])
  paired <- roc.test(a, b, method = "delong", paired = TRUE)
  unpaired <- roc.test(u, v, method = "delong", paired = FALSE)
  ci <- as.numeric(ci.auc(a, method = "delong", conf.level = 0.95))
  list(
    name = s$name, auc = as.numeric(auc(a)), variance = var(a, method = "delong"), ci95 = c(ci[1], ci[3]),
    paired = list(z = unname(paired$statistic), p = paired$p.value),
    covariance = cov(a, b, method = "delong"),
    unpaired = list(t = unname(unpaired$statistic), df = unname(unpaired$parameter), p = unpaired$p.value),
    partial = sapply(c(0.1, 0.5), function(f) as.numeric(auc(a, partial.auc = c(1, 1 - f), partial.auc.focus = "specificity", partial.auc.correct = TRUE)))
  )
}

unweighted <- Filter(function(s) is.null(s$weight), samples)
write(toJSON(lapply(unweighted, one), auto_unbox = TRUE, digits = I(17)), paste0(folder, "proc.json"))
