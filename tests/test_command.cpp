#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tools/help.h"
#include "tools/output.h"
#include "tools/suggestion.h"
#include "tools/units.h"
#include "tools/validators.h"

using namespace gumtile::tools;

TEST_CASE("counts have their noun in the right number") {
  CHECK(count_text(0, "row") == "0 rows");
  CHECK(count_text(1, "row") == "1 row");
  CHECK(count_text(size_t{2}, "entry", "entries") == "2 entries");
  CHECK(count_text(1, "entry", "entries") == "1 entry");
}

TEST_CASE("durations have three digits and the unit that fits") {
  CHECK(duration_text(0) == "0 s");
  CHECK(duration_text(0.8) == "0.80 µs");
  CHECK(duration_text(9.996) == "10.0 µs");
  CHECK(duration_text(45.23) == "45.2 µs");
  CHECK(duration_text(999.4) == "999 µs");
  CHECK(duration_text(999.6) == "1.00 ms");
  CHECK(duration_text(12345) == "12.3 ms");
  CHECK(duration_text(1.7e6) == "1.70 s");
  CHECK(duration_text(2e9) == "2000 s");
}

TEST_CASE("sizes have the unit that fits") {
  CHECK(bytes_text(1) == "1 byte");
  CHECK(bytes_text(1023) == "1023 bytes");
  CHECK(bytes_text(1536) == "1.5 KiB");
  CHECK(bytes_text(1048575) == "1.0 MiB");
  CHECK(bytes_text(uint64_t{3} << 29) == "1.5 GiB");
}

TEST_CASE("a slip of the keyboard is recognised, another word is not") {
  const std::vector<std::string> known{"table", "md", "csv", "json", "jsonl"};
  CHECK(did_you_mean("jsno", known) == "; did you mean 'json'?");
  CHECK(did_you_mean("tab", known) == "; did you mean 'table'?");
  CHECK(did_you_mean("cvs", known) == "; did you mean 'csv'?");
  CHECK(did_you_mean("xml", known).empty());
  CHECK(did_you_mean("", known).empty());
  CHECK(did_you_mean(std::string(100000, 'x'), known).empty());
}

TEST_CASE("text is wrapped between words") {
  CHECK(wrapped("one two three", 7, 2) == "one two\n  three");
  CHECK(wrapped("a,word,that,is,too,long for it", 8, 0) == "a,word,\nthat,is,\ntoo,long\nfor it");
  CHECK(wrapped("a_word_that_is_too_long", 8, 1) == "a_word_t\n hat_is_t\n oo_long");
  CHECK(wrapped("µµµµµ", 3, 0) == "µµµ\nµµ");
  CHECK(wrapped("µµµ µµµ", 7, 0) == "µµµ µµµ");
  CHECK(wrapped("", 10, 0).empty());
  CHECK(wrapped_command("gumtile bench --batches 1,2 --no-logprob", 24, 4) ==
        "gumtile bench \\\n    --batches 1,2 \\\n    --no-logprob");
  CHECK(wrapped_command("gumtile bench --model a_long_name", 20, 4) ==
        "gumtile bench \\\n    --model \\\n    a_long_name");
}

TEST_CASE("the width of help is $COLUMNS if that is a width") {
  setenv("COLUMNS", "57", 1);
  CHECK(help_width() == 57);
  setenv("COLUMNS", "3", 1);
  CHECK(help_width() == 40);
  for (const char* nonsense : {"", "0", "-5", "wide", "99999999999999999999", "1e9"}) {
    setenv("COLUMNS", nonsense, 1);
    CHECK(help_width() >= 40);
    CHECK(help_width() <= 10000);
  }
  unsetenv("COLUMNS");
}

TEST_CASE("JSON is valid UTF-8 whatever it is made of") {
  const Json json = {{"p\xffth", "caf\xe9"}, {"whole", "café"}};
  CHECK(json_text(json, -1) == "{\"p\uFFFDth\":\"caf\uFFFD\",\"whole\":\"café\"}\n");
  CHECK(Json::parse(json_text(json)).at("whole") == "café");
}

TEST_CASE("words are quoted for a shell if they have to be") {
  CHECK(shell_quoted("path/to/head.gtpack") == "path/to/head.gtpack");
  CHECK(shell_quoted("my head") == "'my head'");
  CHECK(shell_quoted("it's") == "'it'\\''s'");
  CHECK(shell_quoted("") == "''");
}

TEST_CASE("columns are aligned by what is seen, not by bytes") {
  CHECK(to_text({{"time"}, {{"45 µs"}, {"100 µs"}}}) == "  time\n 45 µs\n100 µs\n");
}

TEST_CASE("integers are decimal") {
  CLI::App app;
  int64_t value = 0;
  CLI::Option* option = app.add_option("--n", value)->transform(integer(1, 100));
  app.parse("--n 010", false);
  CHECK(value == 10);
  for (const char* wrong : {"--n 0x10", "--n 0", "--n 101", "--n 1.5", "--n 99999999999999999999"})
    CHECK_THROWS_AS(app.parse(wrong, false), CLI::ValidationError);
  CHECK(enumerated_values(*option).empty());
}

TEST_CASE("enumerations list their values") {
  CLI::App app;
  std::string value;
  CLI::Option* option =
      app.add_option("--set", value)->type_name("FILE[:TENSOR]")->check(list_of({"a", "b"}));
  CHECK(enumerated_values(*option) == std::vector<std::string>{"a", "b"});
  CHECK_NOTHROW(app.parse("--set a,b", false));
  CHECK_THROWS_AS(app.parse("--set a,,b", false), CLI::ValidationError);
  CHECK_THROWS_AS(app.parse("--set c", false), CLI::ValidationError);
}

TEST_CASE("devices are auto, cpu or cuda:N") {
  CLI::App app;
  std::string value;
  app.add_option("--device", value)->check(device_name());
  for (const char* right : {"auto", "cpu", "cuda:0", "cuda:17"})
    CHECK_NOTHROW(app.parse(std::string("--device ") + right, false));
  for (const char* wrong : {"tpu", "cuda", "cuda:", "cuda:-1", "cuda:x", "CPU"})
    CHECK_THROWS_AS(app.parse(std::string("--device ") + wrong, false), CLI::ValidationError);
}
