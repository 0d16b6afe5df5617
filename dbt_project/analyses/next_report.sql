-- What would the next trial find?
-- Read: the pooled interval (pooled_ci_) says how well the middle of all reports is known, the prediction
--   interval where the true incidence behind a further one is to be expected; what that one counts scatters
--   more, by its own size. Plan with the second. times_wider: how much the first flatters.
-- Caveat: two or three reports say little about how reports differ; i2, in percent, is then a guess, and a
--   prediction interval that equals the pooled one means "no difference seen", not "none".
select
    cancer_type,
    hpd_definition,
    n_reports_pooled,
    n_hpd,
    n_evaluable,
    round(pooled_incidence, 3) as pooled_incidence,
    round(pooled_ci_low, 3) as pooled_ci_low,
    round(pooled_ci_high, 3) as pooled_ci_high,
    round(prediction_low, 3) as prediction_low,
    round(prediction_high, 3) as prediction_high,
    round((prediction_high - prediction_low) / (pooled_ci_high - pooled_ci_low), 1) as times_wider,
    round(i2, 0) as i2
from {{ ref('hpd_incidence') }}
where n_reports_pooled > 1 and prediction_low is not null and not is_simulated
order by cancer_type, n_reports_pooled desc, hpd_definition
