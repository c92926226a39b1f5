// Tests of base/metric.hpp.
#include "base/metric.hpp"

#include <gtest/gtest.h>

namespace posthorn {
namespace {

TEST(Metric, PlainFigures) {
    EXPECT_EQ(prometheus_text({{"posthorn_messages_total", MetricKind::counter, "Messages taken.", 3.0},
                               {"posthorn_seconds", MetricKind::gauge, "How long.", 0.5}}),
              "# HELP posthorn_messages_total Messages taken.\n# TYPE posthorn_messages_total counter\n"
              "posthorn_messages_total 3\n"
              "# HELP posthorn_seconds How long.\n# TYPE posthorn_seconds gauge\nposthorn_seconds 0.5\n");
}

TEST(Metric, LargeCountersKeepTheirDigits) {
    EXPECT_NE(prometheus_text({{"octets_total", MetricKind::counter, "Octets.", 9007199254740991.0}})
                  .find("octets_total 9007199254740991\n"),
              std::string::npos);
}

TEST(Metric, LabelsAreEscaped) {
    const Metric metric("replies_total", MetricKind::counter, "Replies.",
                        std::vector<Metric::Sample>{{{{"code", "452"}, {"text", "a \"b\" \\ c\nd\r\xff\u202e\u00e9"}}, 1.0}, {{}, 2.0}});
    const std::string text = prometheus_text({metric});
    EXPECT_NE(text.find("replies_total{code=\"452\",text=\"a \\\"b\\\" \\\\ c\\nd?????\u00e9\"} 1\nreplies_total 2\n"),
              std::string::npos)
        << text;
}

TEST(Metric, AHistogramsBucketsHoldWhatIsBelowThemToo) {
    static constexpr double bounds[] = {0.5, 1, 10};
    Histogram values(bounds);
    for (const double value : {0.25, 0.5, 0.75, 20.0}) values.observe(value);
    EXPECT_EQ(prometheus_text({{"wait_seconds", "Waits.", std::vector<Metric::Spread>{{{{"by", "\""}}, values}}}}),
              "# HELP wait_seconds Waits.\n# TYPE wait_seconds histogram\n"
              "wait_seconds_bucket{by=\"\\\"\",le=\"0.5\"} 2\n"
              "wait_seconds_bucket{by=\"\\\"\",le=\"1\"} 3\n"
              "wait_seconds_bucket{by=\"\\\"\",le=\"10\"} 3\n"
              "wait_seconds_bucket{by=\"\\\"\",le=\"+Inf\"} 4\n"
              "wait_seconds_sum{by=\"\\\"\"} 21.5\n"
              "wait_seconds_count{by=\"\\\"\"} 4\n");
    EXPECT_NE(prometheus_text({{"x", "X.", Histogram(bounds)}}).find("x_bucket{le=\"0.5\"} 0\n"), std::string::npos);
}

TEST(Metric, AFamilyWithoutSamplesHasItsHeadOnly) {
    EXPECT_EQ(prometheus_text({{"x", MetricKind::gauge, "X.", std::vector<Metric::Sample>()}}), "# HELP x X.\n# TYPE x gauge\n");
}

}  // namespace
}  // namespace posthorn
