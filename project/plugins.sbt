addSbtPlugin("com.github.sbt" % "sbt-pom-reader" % "2.5.0")
addSbtPlugin("com.github.sbt.junit" % "sbt-jupiter-interface" % "0.13.3")
