#include "tools/tune_report.h"
namespace gumtile::tools {
std::string tuning_report(const TuneResult&, double, const std::string& command) { return command; }
}  // namespace gumtile::tools
